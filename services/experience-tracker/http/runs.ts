import { createHash } from "node:crypto";
import { anomalyReasons, parseTimestamp, type Run, urgencies } from "@signalbox/experience";
import { decodeCursor, encodeCursor, HttpProblem, hasScope, linkHeader, principalOf } from "@signalbox/http";
import { canonicalCorrelationId } from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";
import { trackerProblem } from "../errors.js";
import { activeStates, finalStates, type ListRequest, listRuns, type RunsCursor } from "../list-runs.js";
import { type CheckpointView, inOccurredOrder, type RunView, viewOfEntry, viewOfRun } from "../run-view.js";
import { type RouteDependencies, tenantOfRequest } from "./dependencies.js";
import { type DetailBody, detailBody, summaryBody } from "./run-bodies.js";
import { answeringForStore } from "./store-answer.js";

const text = (description: string, example: string) => ({ type: "string", description, examples: [example] }) as const;

const listParameters = {
  state: text("open, stale, orphan, finished, or final states; several with commas. Default: open.", "stale"),
  experience: text("Ids of experiences.", "create_merge_request"),
  feature_category: text("Feature categories.", "code_review_workflow"),
  urgency: text("Urgencies.", "sync_fast"),
  type: text("Types.", "web"),
  anomaly: text("Anomalies of which a run has one.", "late_end"),
  since: text("Started, or decided, at this time or later.", "2026-02-06T14:30:00Z"),
  until: text("Started, or decided, before this time.", "2026-02-07T14:30:00Z"),
  limit: {
    type: "integer",
    minimum: 1,
    maximum: 500,
    default: 50,
    description: "Most runs of a page.",
    examples: [50],
  },
  cursor: text("Where the page starts; from `next_cursor`.", "eyJwIjoi"),
  include_canary: {
    type: "boolean",
    default: false,
    description: "Shows the tracker's own runs too.",
    examples: [true],
  },
} as const;

interface ListQuery {
  readonly state?: string;
  readonly experience?: string;
  readonly feature_category?: string;
  readonly urgency?: string;
  readonly type?: string;
  readonly anomaly?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
  readonly cursor?: string;
  readonly include_canary: boolean;
}

const summaryExample = {
  covered_experience_id: "create_merge_request",
  correlation_id: "01JP0EM7HB39WSJNR4662MYZ6V",
  run: "1",
  state: "open",
  feature_category: "code_review_workflow",
  urgency: "sync_fast",
  type: "web",
  started_at: "2026-02-06T14:30:00.000Z",
  deadline: "2026-02-06T14:30:30.000Z",
  overdue: false,
  elapsed_s: 4.2,
  anomalies: [],
} as const;

export function registerRunRoutes(app: FastifyInstance, dependencies: RouteDependencies): void {
  const { store, history, clock } = dependencies;

  app.get<{ Querystring: ListQuery }>("/runs", {
    config: {
      access: { scope: "experience:read" },
      errors: ["invalid_cursor", "state_store_unavailable", "unavailable"],
    },
    schema: {
      summary: "List runs",
      tags: ["experiences"],
      querystring: { type: "object", additionalProperties: false, properties: listParameters },
      response: {
        200: {
          description: "Open runs nearest deadline first, then those with a verdict, newest first.",
          type: "object",
          required: ["runs"],
          properties: {
            runs: { type: "array", items: { type: "object", additionalProperties: true } },
            next_cursor: { type: "string" },
          },
          examples: [{ runs: [summaryExample] }],
        },
      },
    },
    handler: (request, reply) =>
      answeringForStore(async () => {
        const { query } = request;
        const wanted = requestOf(query, tenantOfRequest(request, dependencies));
        const { runs, next } = await listRuns(wanted, { store, history, clock });
        const nextCursor = next && encodeCursor({ ...next, filter: filterKey(query) });
        const link = nextCursor && linkHeader(request.url, wanted.limit, { nextCursor });
        if (link) reply.header("link", link);
        const nowMs = clock.nowMs();
        return {
          runs: runs.map((run) => summaryBody(run, nowMs)),
          ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }),
        };
      }),
  });

  for (const path of ["/runs/:experience/:correlation", "/runs/:experience/:correlation/:run"]) {
    const hasRun = path.endsWith(":run");
    app.get<{ Params: { experience: string; correlation: string; run?: string } }>(path, {
      config: {
        access: { scope: "experience:read" },
        errors: ["run_not_found", "state_store_unavailable", "unavailable"],
      },
      schema: {
        summary: hasRun ? "Show one run" : "Show the run 1 of a journey",
        tags: ["experiences"],
        params: {
          type: "object",
          properties: {
            experience: text("Id of the experience.", "create_merge_request"),
            correlation: text("Correlation id, in any of its spellings.", "01JP0EM7HB39WSJNR4662MYZ6V"),
            ...(hasRun ? { run: text("Name of the run.", "1") } : {}),
          },
        },
        response: {
          200: {
            description: "State, verdict and timeline.",
            type: "object",
            additionalProperties: true,
            examples: [{ ...summaryExample, timeline: [] }],
          },
        },
      },
      handler: (request) =>
        answeringForStore(async () => {
          const { experience, correlation, run = "1" } = request.params;
          const identity = {
            tenant: tenantOfRequest(request, dependencies),
            experienceId: experience,
            correlationId: canonicalCorrelationId(correlation),
            run,
          };
          if (Object.values(identity).some((part) => part.includes("|"))) throw trackerProblem("run_not_found");
          const found = (await fromStore(identity, dependencies)) ?? (await history.run(identity));
          if (!found) throw trackerProblem("run_not_found");
          const showMeta = hasScope(principalOf(request), "experience:read_meta");
          const body: DetailBody = detailBody(found.run, inOccurredOrder(found.timeline), clock.nowMs(), showMeta);
          return body;
        }),
    });
  }
}

async function fromStore(
  identity: Run["identity"],
  { store }: RouteDependencies,
): Promise<{ readonly run: RunView; readonly timeline: readonly CheckpointView[] } | undefined> {
  const stored = await store.get(identity);
  return (
    stored && { run: viewOfRun(stored.run), timeline: stored.timeline.map((entry) => viewOfEntry(stored.run, entry)) }
  );
}

/** @throws {HttpProblem} `invalid_parameter` naming what is unknown, `invalid_cursor` */
function requestOf(query: ListQuery, tenant: string): ListRequest {
  const states = statesOf(query.state);
  return {
    tenant,
    ...states,
    experienceIds: listOf(query.experience),
    featureCategories: listOf(query.feature_category),
    urgencies: amongOf("urgency", query.urgency, [...urgencies, "unregistered"]),
    types: listOf(query.type),
    anomalies: amongOf("anomaly", query.anomaly, anomalyReasons),
    sinceMs: timeOf("since", query.since),
    untilMs: timeOf("until", query.until),
    includeCanary: query.include_canary,
    limit: query.limit,
    after: cursorOf(query),
  };
}

function statesOf(value: string | undefined): Pick<ListRequest, "states" | "staleOnly"> {
  const names = amongOf("state", value, ["open", "stale", "orphan", "finished", ...finalStates]) ?? ["open"];
  const known: readonly Run["state"][] = [...activeStates, ...finalStates];
  const states = known.filter(
    (state) =>
      names.includes(state) ||
      (state === "open" && names.includes("stale")) ||
      (state !== "open" && state !== "orphan" && names.includes("finished")),
  );
  return { states, staleOnly: names.includes("stale") && !names.includes("open") };
}

function listOf(value: string | undefined): readonly string[] | undefined {
  return value?.split(",").filter((part) => part !== "");
}

function amongOf(name: string, value: string | undefined, known: readonly string[]): readonly string[] | undefined {
  const values = listOf(value);
  const unknown = values?.find((part) => !known.includes(part));
  if (unknown !== undefined || values?.length === 0) throw invalid(name, `is one of ${known.join(", ")}`);
  return values;
}

function timeOf(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const timeMs = parseTimestamp(value);
  if (timeMs === undefined) throw invalid(name, "is an RFC 3339 time with seconds and a zone");
  return timeMs;
}

function invalid(name: string, message: string): HttpProblem {
  return new HttpProblem("invalid_parameter", { errors: [{ pointer: `/query/${name}`, code: "invalid", message }] });
}

/** What a cursor is bound to: everything but the page. */
function filterKey({ cursor: _cursor, limit: _limit, ...filter }: ListQuery): string {
  return createHash("sha256")
    .update(JSON.stringify(Object.entries(filter).sort()))
    .digest("base64url")
    .slice(0, 12);
}

function cursorOf(query: ListQuery): RunsCursor | undefined {
  if (query.cursor === undefined) return undefined;
  const { part, atMs, key } = decodeCursor(query.cursor, (value): value is RunsCursor & { filter: string } => {
    if (typeof value !== "object" || value === null) return false;
    const fields = new Map(Object.entries(value));
    return (
      (fields.get("part") === "active" || fields.get("part") === "final") &&
      typeof fields.get("atMs") === "number" &&
      typeof fields.get("key") === "string" &&
      fields.get("filter") === filterKey(query)
    );
  });
  return { part, atMs, key };
}
