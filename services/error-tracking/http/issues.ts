import { decodeCursor, HttpProblem, pageParameters, principalOf } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import { changeIssues } from "../issues/change-issues.js";
import { periodMs, type StatsPeriod, type StatsWindow, statsPeriods } from "../issues/issue-frequencies.js";
import { type Issue, type IssueSort, issueSorts, isWalkPosition, listIssues } from "../issues/list-issues.js";
import { ReadError } from "../issues/read-errors.js";
import type { Project } from "../projects/projects.js";
import { searchIssues } from "../search/search-issues.js";
import { type IssueStatus, issueStatuses } from "../store/tables.js";
import { type ApiDependencies, type IssueParams, linkPages, visibleIssue, visibleProject } from "./api-dependencies.js";
import {
  errorExample,
  errorSchema,
  jsonAnswer,
  listAnswer,
  issueParameters as params,
  projectParameter,
} from "./api-schemas.js";
import { showIssues } from "./show-issue.js";

interface Window {
  readonly from?: string;
  readonly to?: string;
}

interface ListQuery extends Window {
  readonly sort: IssueSort;
  readonly status?: IssueStatus;
  readonly query?: string;
  readonly cursor?: string;
  readonly limit: number;
  readonly stats_period: StatsPeriod;
  readonly query_period: StatsPeriod;
}

const period = (description: string, byDefault: StatsPeriod) => ({
  enum: statsPeriods,
  default: byDefault,
  description,
  examples: [byDefault],
});

const windowParameters = {
  from: {
    type: "string",
    format: "date-time",
    description:
      "Beginning of a time that both periods are replaced by; `stats.frequency` has it as `window`. At most 400 days.",
    examples: ["2026-03-01T00:00:00Z"],
  },
  to: {
    type: "string",
    format: "date-time",
    description: "With `from`: the end of that time. Default: now. What was seen in it is known by whole hours.",
    examples: ["2026-03-02T00:00:00Z"],
  },
} as const;

const maxWindowMs = 400 * 86_400_000;

/** The time that a request names by its ends, if it does. */
function readWindow({ from, to }: Window, nowMs: number): StatsWindow | undefined {
  if (from === undefined) {
    if (to === undefined) return undefined;
    const message = "`to` is the end of a time that has its beginning in `from`.";
    throw new HttpProblem("invalid_parameter", { errors: [{ pointer: "/query/to", code: "dependency", message }] });
  }
  const fromMs = Date.parse(from);
  const untilMs = to === undefined ? nowMs : Date.parse(to);
  if (fromMs < untilMs && untilMs - fromMs <= maxWindowMs) return { fromMs, untilMs };
  const message = "`from` must be before `to`, and at most 400 days lie between them.";
  throw new HttpProblem("invalid_parameter", {
    errors: [{ pointer: "/query/from", code: "range", message }],
  });
}

const listParameters = {
  sort: {
    enum: issueSorts,
    default: "last_seen_desc",
    description: "Order of the list.",
    examples: ["last_seen_desc"],
  },
  status: {
    enum: issueStatuses,
    description: "Only errors with this status. Default: `unresolved`, unless the query speaks of a status itself.",
    examples: ["unresolved"],
  },
  query: {
    type: "string",
    maxLength: 1024,
    description:
      "Terms that must all hold: words of title, message or culprit; `key:value`, `!key:value`, `key:[a, b]`, " +
      "`has:key`, `key:>3`, `age:-24h`; `*` stands for anything. The id of an event finds its error.",
    examples: ['division is:unresolved release:"shop@1.4.1"'],
  },
  ...pageParameters,
  stats_period: period("Time that `stats.frequency` covers.", "24h"),
  query_period: period("Only errors that were seen within this time.", "30d"),
  ...windowParameters,
} as const;

const notFound = ["ET_PROJECT_NOT_FOUND", "ET_ISSUE_NOT_FOUND"];

/** Errors of a project, in the shapes of GitLab's error tracking API. */
export function registerIssueRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { database, projects, clock, gitlabAccess } = dependencies;

  app.get<{ Params: { id: number }; Querystring: ListQuery }>("/projects/:id/errors", {
    config: {
      ...gitlabAccess,
      access: { scope: "errors:read" },
      errors: ["ET_PROJECT_NOT_FOUND", "ET_QUERY_INVALID", "invalid_cursor", "invalid_parameter", "unavailable"],
    },
    schema: {
      summary: "List the errors of a project",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      querystring: { type: "object", properties: listParameters },
      response: { 200: listAnswer("The errors, highest first.", errorSchema, errorExample) },
    },
    async handler(request, reply) {
      const { sort, status, query = "", cursor, limit, stats_period: shown, query_period: within } = request.query;
      const project = await visibleProject(request, projects, request.params.id);
      const nowMs = clock.nowMs();
      const window = readWindow(request.query, nowMs);
      const sinceMs = window?.fromMs ?? nowMs - periodMs(within);
      const until = window === undefined || request.query.to === undefined ? {} : { untilMs: window.untilMs };
      const subject = principalOf(request).subject;
      const scope = { projectId: project.id, query, subject, sinceMs, nowMs, ...until };
      const found = await searchIssues(dependencies, scope);
      const filter = {
        projectId: project.id,
        status: status ?? (found.speaksOfStatus ? undefined : ("unresolved" as const)),
        sort,
        seenSinceMs: found.isEventId ? 0 : sinceMs,
        ...(found.isEventId || until.untilMs === undefined ? {} : { seenUntilMs: until.untilMs }),
        conditions: found.conditions,
      };
      const from = cursor === undefined ? undefined : decodeCursor(cursor, isWalkPosition);
      const page = await listIssues(database, filter, limit, from);
      linkPages(request, reply, limit, page);
      return withFrequencies(project, page.items, window ?? shown);
    },
  });

  app.get<{ Params: IssueParams; Querystring: Window & { stats_period: StatsPeriod } }>(
    "/projects/:id/errors/:fingerprint",
    {
      config: {
        ...gitlabAccess,
        access: { scope: "errors:read" },
        errors: [...notFound, "invalid_parameter", "unavailable"],
      },
      schema: {
        summary: "Show one error",
        tags: ["errors"],
        params: { type: "object", properties: params },
        querystring: { type: "object", properties: { stats_period: listParameters.stats_period, ...windowParameters } },
        response: { 200: jsonAnswer("The error.", errorSchema, errorExample) },
      },
      async handler(request, reply) {
        const { project, issue } = await visibleIssue(request, reply, dependencies);
        if (issue === undefined) return reply;
        const { stats_period: shown } = request.query;
        return withFrequency(project, issue, readWindow(request.query, clock.nowMs()) ?? shown);
      },
    },
  );

  app.put<{ Params: IssueParams; Body: { status: IssueStatus; updated_by_id?: number } }>(
    "/projects/:id/errors/:fingerprint",
    {
      config: { ...gitlabAccess, access: { scope: "errors:write" }, errors: [...notFound, "unavailable"] },
      schema: {
        summary: "Change the status of an error",
        tags: ["errors"],
        params: { type: "object", properties: params },
        body: {
          type: "object",
          required: ["status"],
          properties: {
            status: { enum: issueStatuses },
            updated_by_id: { type: "integer", description: "Number of the user in the forge who did it." },
          },
          examples: [{ status: "resolved", updated_by_id: 7 }],
        },
        response: { 200: jsonAnswer("The error as it is now.", errorSchema, errorExample) },
      },
      async handler(request, reply) {
        const { project, issue: before } = await visibleIssue(request, reply, dependencies);
        if (before === undefined) return reply;
        const { fingerprint } = request.params;
        const changed = await changeIssues(dependencies, {
          projectId: project.id,
          issueIds: [fingerprint],
          change: { status: request.body.status },
          actor: principalOf(request).subject,
          onBehalfOf: request.body.updated_by_id,
        });
        const issue = changed.get(fingerprint);
        if (issue === undefined) throw new ReadError("ET_ISSUE_NOT_FOUND");
        return withFrequency(project, issue, "24h");
      },
    },
  );

  const withFrequencies = (project: Project, issues: readonly Issue[], shown: StatsPeriod | StatsWindow) =>
    showIssues(dependencies, project, issues, shown);

  const withFrequency = async (project: Project, issue: Issue, shown: StatsPeriod | StatsWindow) => {
    const [error] = await withFrequencies(project, [issue], shown);
    return error;
  };
}
