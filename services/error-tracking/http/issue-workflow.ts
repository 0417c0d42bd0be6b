import { principalOf } from "@signalbox/http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { changeIssues, type IssueChange, type ResolveIn } from "../issues/change-issues.js";
import { IssueError } from "../issues/issue-errors.js";
import { listIssues } from "../issues/list-issues.js";
import { mergeIssues, unmergeIssue } from "../issues/merge-issues.js";
import { ReadError } from "../issues/read-errors.js";
import { searchIssues } from "../search/search-issues.js";
import type { IssueStatus } from "../store/tables.js";
import { requestDeletion } from "../upkeep/delete-data.js";
import type { DeletionKind } from "../upkeep/hide-deleted.js";
import { type ApiDependencies, type IssueParams, visibleIssue, visibleProject } from "./api-dependencies.js";
import {
  errorExample,
  errorSchema,
  fingerprintParameter,
  jsonAnswer,
  issueParameters as params,
  projectParameter,
} from "./api-schemas.js";
import { showIssues } from "./show-issue.js";
import { changeBody, changeExample, deletionExample, deletionSchema } from "./workflow-schemas.js";

interface ChangeBody {
  readonly status?: IssueStatus;
  readonly resolve_in?: "now" | "current_release" | "next_release" | { readonly release: string };
  readonly ignore_until?: {
    readonly time?: string;
    readonly events?: number;
    readonly users?: number;
    readonly window_s?: number;
    readonly escalating?: boolean;
  };
  readonly assigned_to?: string | null;
  readonly link_url?: string | null;
  readonly updated_by_id?: number;
}

const notFound = ["ET_PROJECT_NOT_FOUND", "ET_ISSUE_NOT_FOUND", "unavailable"];
const write = { scope: "errors:write" } as const;
const maxBulk = 1000;

/** What people do to errors beyond GitLab's API. */
export function registerIssueWorkflowRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { database, projects, clock } = dependencies;

  app.patch<{ Params: IssueParams; Body: ChangeBody }>("/projects/:id/errors/:fingerprint", {
    config: { access: write, errors: notFound },
    schema: {
      summary: "Resolve, ignore, assign or link an error",
      tags: ["errors"],
      params: { type: "object", properties: params },
      body: { ...changeBody, examples: [changeExample] },
      response: { 200: jsonAnswer("The error as it is now.", errorSchema, errorExample) },
    },
    async handler(request, reply) {
      const { project, issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const changed = await changeIssues(dependencies, {
        projectId: project.id,
        issueIds: [issue.id],
        change: toChange(request.body),
        actor: principalOf(request).subject,
        onBehalfOf: request.body.updated_by_id,
      });
      const after = changed.get(issue.id);
      if (after === undefined) throw new ReadError("ET_ISSUE_NOT_FOUND");
      return (await showIssues(dependencies, project, [after], "24h"))[0];
    },
  });

  app.patch<{ Params: { id: number }; Body: ChangeBody & { ids?: number[]; query?: string } }>("/projects/:id/errors", {
    config: { access: write, errors: ["ET_PROJECT_NOT_FOUND", "ET_BULK_TOO_LARGE", "ET_QUERY_INVALID", "unavailable"] },
    schema: {
      summary: "Change many errors at once, by their numbers or by a query",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      body: {
        ...changeBody,
        properties: {
          ...changeBody.properties,
          ids: { type: "array", items: fingerprintParameter, maxItems: maxBulk },
          query: { type: "string", maxLength: 1024, description: "As in the list of errors." },
        },
        anyOf: [{ required: ["ids"] }, { required: ["query"] }],
        examples: [{ ids: [42, 43], status: "resolved" }],
      },
      response: {
        200: jsonAnswer(
          "What became of each.",
          {
            type: "array",
            items: {
              type: "object",
              required: ["fingerprint", "result"],
              properties: { fingerprint: { type: "integer" }, result: { enum: ["changed", "not_found"] } },
            },
          },
          [{ fingerprint: 42, result: "changed" }],
        ),
      },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      const { ids, query = "" } = request.body;
      const subject = principalOf(request).subject;
      const issueIds = ids ?? (await findByQuery(project.id, query, subject));
      const changed = await changeIssues(dependencies, {
        projectId: project.id,
        issueIds,
        change: toChange(request.body),
        actor: subject,
        onBehalfOf: request.body.updated_by_id,
      });
      return issueIds.map((id) => ({ fingerprint: id, result: changed.has(id) ? "changed" : "not_found" }));
    },
  });

  const findByQuery = async (projectId: number, query: string, subject: string): Promise<number[]> => {
    const nowMs = clock.nowMs();
    const sinceMs = nowMs - 30 * 86_400_000;
    const found = await searchIssues(dependencies, { projectId, query, subject, sinceMs, nowMs });
    const filter = {
      projectId,
      status: found.speaksOfStatus ? undefined : ("unresolved" as const),
      sort: "last_seen_desc" as const,
      seenSinceMs: found.isEventId ? 0 : sinceMs,
      conditions: found.conditions,
    };
    const page = await listIssues(database, filter, maxBulk, undefined);
    if (page.next !== undefined) throw new IssueError("ET_BULK_TOO_LARGE");
    return page.items.map(({ id }) => id);
  };

  app.post<{ Params: { id: number }; Body: { ids: number[] } }>("/projects/:id/errors/merge", {
    config: { access: write, errors: [...notFound, "ET_MERGE_INVALID"] },
    schema: {
      summary: "Make several errors one",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      body: {
        type: "object",
        required: ["ids"],
        additionalProperties: false,
        properties: { ids: { type: "array", items: fingerprintParameter } },
        examples: [{ ids: [42, 43] }],
      },
      response: { 200: jsonAnswer("The oldest of them, which is all of them now.", errorSchema, errorExample) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      const survivor = await mergeIssues(dependencies, {
        projectId: project.id,
        issueIds: request.body.ids,
        actor: principalOf(request).subject,
      });
      return showById(project.id, survivor);
    },
  });

  const showById = async (projectId: number, issueId: number) => {
    const project = await projects.get(projectId);
    const page = await changeIssues(dependencies, { projectId, issueIds: [issueId], change: {}, actor: "" });
    const issue = page.get(issueId);
    if (project === undefined || issue === undefined) throw new ReadError("ET_ISSUE_NOT_FOUND");
    return (await showIssues(dependencies, project, [issue], "24h"))[0];
  };

  app.post<{ Params: IssueParams; Body: { hashes: string[]; to: "former" | "new" } }>(
    "/projects/:id/errors/:fingerprint/unmerge",
    {
      config: { access: write, errors: [...notFound, "ET_UNMERGE_INVALID"] },
      schema: {
        summary: "Split an error",
        tags: ["errors"],
        params: { type: "object", properties: params },
        body: {
          type: "object",
          required: ["hashes"],
          additionalProperties: false,
          properties: {
            hashes: { type: "array", items: { type: "string", pattern: "^[0-9a-f]{32}$" }, minItems: 1, maxItems: 100 },
            to: {
              enum: ["former", "new"],
              default: "former",
              description: "`former`: back to the errors that the hashes were merged from; `new`: to a new one.",
            },
          },
          examples: [{ hashes: ["0123456789abcdef0123456789abcdef"], to: "former" }],
        },
        response: {
          200: jsonAnswer("The errors that have the hashes now.", { type: "array", items: errorSchema }, [
            errorExample,
          ]),
        },
      },
      async handler(request, reply) {
        const { project, issue } = await visibleIssue(request, reply, dependencies);
        if (issue === undefined) return reply;
        const ids = await unmergeIssue(dependencies, {
          projectId: project.id,
          issueId: issue.id,
          hashes: request.body.hashes,
          to: request.body.to,
          actor: principalOf(request).subject,
        });
        return Promise.all(ids.map((id) => showById(project.id, id)));
      },
    },
  );

  app.delete<{ Params: IssueParams; Querystring: { discard: boolean } }>("/projects/:id/errors/:fingerprint", {
    config: { access: write, errors: notFound },
    schema: {
      summary: "Delete an error with its events",
      tags: ["errors"],
      params: { type: "object", properties: params },
      querystring: {
        type: "object",
        properties: {
          discard: {
            type: "boolean",
            default: false,
            description: "Whether later events of its kind are dropped.",
            examples: [true],
          },
        },
      },
      response: {
        202: jsonAnswer("It is hidden; the job tells when everything is gone.", deletionSchema, deletionExample),
      },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      return startDeletion(request, reply, issue.project_id, {
        kind: "issue",
        issueId: issue.id,
        discard: request.query.discard,
      });
    },
  });

  app.delete<{ Params: { id: number; event: string } }>("/projects/:id/errors/events/:event", {
    config: { access: write, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "Delete one event",
      tags: ["errors"],
      params: {
        type: "object",
        properties: {
          id: projectParameter,
          event: {
            type: "string",
            pattern: "^[0-9a-f]{32}$",
            description: "Its id.",
            examples: ["8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f"],
          },
        },
      },
      response: { 202: jsonAnswer("The job tells when it is gone.", deletionSchema, deletionExample) },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      return startDeletion(request, reply, project.id, { kind: "event", eventId: request.params.event });
    },
  });

  const startDeletion = async (request: FastifyRequest, reply: FastifyReply, projectId: number, kind: DeletionKind) => {
    const id = await requestDeletion(dependencies, projectId, kind, principalOf(request).subject);
    return reply.code(202).send({ job_id: id, state: "pending", counts: {} });
  };
}

function toChange({
  status,
  resolve_in: resolveIn,
  ignore_until: until,
  assigned_to: assignee,
  link_url: linkUrl,
}: ChangeBody): IssueChange {
  return {
    status,
    resolveIn: toResolveIn(resolveIn),
    ignoreUntil: until && {
      ...(until.time === undefined ? {} : { untilMs: Date.parse(until.time) }),
      ...(until.events === undefined ? {} : { events: until.events }),
      ...(until.users === undefined ? {} : { users: until.users }),
      ...(until.window_s === undefined ? {} : { windowMs: until.window_s * 1000 }),
      ...(until.escalating === undefined ? {} : { escalating: until.escalating }),
    },
    assignee,
    linkUrl,
  };
}

function toResolveIn(sent: ChangeBody["resolve_in"]): ResolveIn | undefined {
  if (sent === undefined) return undefined;
  if (typeof sent === "object") return { kind: "release", release: sent.release };
  return { kind: sent === "now" ? "now" : sent === "current_release" ? "current" : "next" };
}
