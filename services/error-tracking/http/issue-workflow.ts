import { decodeCursor, linkHeader, pageOf, pageParameters, principalOf } from "@signalbox/http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { changeIssues, type IssueChange, type ResolveIn } from "../issues/change-issues.js";
import { IssueError } from "../issues/issue-errors.js";
import { addComment, listActivity, listComments, listHashes, listReleases } from "../issues/issue-notes.js";
import { tagDistributions } from "../issues/issue-tags.js";
import { listIssues } from "../issues/list-issues.js";
import { mergeIssues, unmergeIssue } from "../issues/merge-issues.js";
import { ReadError } from "../issues/read-errors.js";
import { searchIssues } from "../search/search-issues.js";
import type { IssueStatus } from "../store/tables.js";
import { type DeletionKind, requestDeletion } from "../upkeep/delete-data.js";
import { type ApiDependencies, visibleIssue, visibleProject } from "./api-dependencies.js";
import { errorExample, errorSchema, fingerprintParameter, jsonAnswer, projectParameter } from "./api-schemas.js";
import { showRelease } from "./releases.js";
import { showIssues } from "./show-issue.js";
import {
  activityExample,
  activitySchema,
  changeBody,
  changeExample,
  commentExample,
  commentSchema,
  deletionExample,
  deletionSchema,
  hashExample,
  hashSchema,
  releaseExample,
  releaseSchema,
  tagExample,
  tagSchema,
} from "./workflow-schemas.js";

interface IssueParams {
  readonly id: number;
  readonly fingerprint: number;
}

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

const params = { id: projectParameter, fingerprint: fingerprintParameter } as const;
const notFound = ["ET_PROJECT_NOT_FOUND", "ET_ISSUE_NOT_FOUND", "unavailable"];
const read = { scope: "errors:read" } as const;
const write = { scope: "errors:write" } as const;
const maxBulk = 1000;

/** What people do to errors beyond GitLab's API, and what is known of them beside their events. */
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

  app.get<{ Params: IssueParams }>("/projects/:id/errors/:fingerprint/hashes", {
    config: { access: read, errors: notFound },
    schema: {
      summary: "List what an error is grouped by",
      tags: ["errors"],
      params: { type: "object", properties: params },
      response: { 200: jsonAnswer("The hashes, oldest first.", { type: "array", items: hashSchema }, [hashExample]) },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const hashes = await listHashes(database, issue.id);
      return hashes.map((row) => ({
        hash: row.hash,
        version: row.version,
        strategy: row.strategy,
        variant: row.variant,
        event_count: row.event_count,
        former_fingerprint: row.former_issue_id,
        created_at: new Date(row.created_at_ms).toISOString(),
        explanation: JSON.parse(row.explanation),
      }));
    },
  });

  app.get<{ Params: IssueParams & { key?: string } }>("/projects/:id/errors/:fingerprint/tags", {
    config: { access: read, errors: notFound },
    schema: {
      summary: "Show how the tags of an error are distributed",
      tags: ["errors"],
      params: { type: "object", properties: params },
      response: {
        200: jsonAnswer("The ten most frequent values of each tag.", { type: "array", items: tagSchema }, [tagExample]),
      },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      return (await tagDistributions(dependencies, issue, { maxValues: 10 })).map(showTag);
    },
  });

  app.get<{ Params: IssueParams & { key: string } }>("/projects/:id/errors/:fingerprint/tags/:key", {
    config: { access: read, errors: [...notFound, "ET_TAG_NOT_FOUND"] },
    schema: {
      summary: "Show how one tag of an error is distributed",
      tags: ["errors"],
      params: {
        type: "object",
        properties: {
          ...params,
          key: { type: "string", maxLength: 200, description: "The tag.", examples: ["release"] },
        },
      },
      response: { 200: jsonAnswer("Its hundred most frequent values.", tagSchema, tagExample) },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const [tag] = await tagDistributions(dependencies, issue, { key: request.params.key, maxValues: 100 });
      if (tag === undefined) throw new ReadError("ET_TAG_NOT_FOUND");
      return showTag(tag);
    },
  });

  app.get<{ Params: IssueParams; Querystring: { limit: number; cursor?: string } }>(
    "/projects/:id/errors/:fingerprint/activity",
    {
      config: { access: read, errors: [...notFound, "invalid_cursor"] },
      schema: {
        summary: "List who did what to an error",
        tags: ["errors"],
        params: { type: "object", properties: params },
        querystring: { type: "object", properties: pageParameters },
        response: {
          200: jsonAnswer("The activity, newest first.", { type: "array", items: activitySchema }, [activityExample]),
        },
      },
      async handler(request, reply) {
        const { issue } = await visibleIssue(request, reply, dependencies);
        if (issue === undefined) return reply;
        const { limit } = request.query;
        const rows = await listActivity(database, issue.id, limit + 1, beforeOf(request.query.cursor));
        return linkNext(request, reply, limit, rows).map((row) => ({
          at: new Date(row.at_ms).toISOString(),
          actor: row.actor,
          kind: row.kind,
          ...JSON.parse(row.detail),
        }));
      },
    },
  );

  app.get<{ Params: IssueParams; Querystring: { limit: number; cursor?: string } }>(
    "/projects/:id/errors/:fingerprint/comments",
    {
      config: { access: read, errors: [...notFound, "invalid_cursor"] },
      schema: {
        summary: "List what people said about an error",
        tags: ["errors"],
        params: { type: "object", properties: params },
        querystring: { type: "object", properties: pageParameters },
        response: {
          200: jsonAnswer("The comments, newest first.", { type: "array", items: commentSchema }, [commentExample]),
        },
      },
      async handler(request, reply) {
        const { issue } = await visibleIssue(request, reply, dependencies);
        if (issue === undefined) return reply;
        const { limit } = request.query;
        const rows = await listComments(database, issue.id, limit + 1, beforeOf(request.query.cursor));
        return linkNext(request, reply, limit, rows).map(showComment);
      },
    },
  );

  app.post<{ Params: IssueParams; Body: { text: string } }>("/projects/:id/errors/:fingerprint/comments", {
    config: { access: write, errors: notFound },
    schema: {
      summary: "Say something about an error",
      tags: ["errors"],
      params: { type: "object", properties: params },
      body: {
        type: "object",
        required: ["text"],
        additionalProperties: false,
        properties: { text: { type: "string", minLength: 1, maxLength: 10_000 } },
        examples: [{ text: commentExample.text }],
      },
      response: { 201: jsonAnswer("The comment.", commentSchema, commentExample) },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const comment = await addComment(dependencies, issue, principalOf(request).subject, request.body.text);
      return reply.code(201).send(showComment(comment));
    },
  });

  app.get<{ Params: { id: number }; Querystring: { limit: number; cursor?: string } }>("/projects/:id/releases", {
    config: { access: read, errors: ["ET_PROJECT_NOT_FOUND", "invalid_cursor", "unavailable"] },
    schema: {
      summary: "List the releases of a project",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      querystring: { type: "object", properties: pageParameters },
      response: {
        200: jsonAnswer("The releases, newest first.", { type: "array", items: releaseSchema }, [releaseExample]),
      },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? undefined : decodeCursor(cursor, isReleasePosition);
      const rows = await listReleases(database, project.id, limit + 1, before);
      const page = pageOf(rows, limit, (row) => [row.created_at_ms, row.id]);
      setNext(request, reply, limit, page.nextCursor);
      return page.items.map(showRelease);
    },
  });

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

function showTag(tag: Awaited<ReturnType<typeof tagDistributions>>[number]) {
  return {
    key: tag.key,
    total: tag.total,
    other: tag.other,
    values: tag.values.map(({ value, events, lastSeen }) => ({ value, events, last_seen_at: lastSeen })),
  };
}

function showComment(row: { id: number; author: string; text: string; at_ms: number }) {
  return { id: row.id, author: row.author, text: row.text, created_at: new Date(row.at_ms).toISOString() };
}

function beforeOf(cursor: string | undefined): number | undefined {
  return cursor === undefined ? undefined : decodeCursor(cursor, isId);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function setNext(request: FastifyRequest, reply: FastifyReply, limit: number, nextCursor: string | undefined): void {
  const link = nextCursor === undefined ? undefined : linkHeader(request.originalUrl, limit, { nextCursor });
  if (link !== undefined) reply.header("link", link);
}

function isReleasePosition(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger);
}

function linkNext<Row extends { readonly id: number }>(
  request: FastifyRequest,
  reply: FastifyReply,
  limit: number,
  rows: readonly Row[],
): readonly Row[] {
  const page = pageOf(rows, limit, ({ id }) => id);
  setNext(request, reply, limit, page.nextCursor);
  return page.items;
}
