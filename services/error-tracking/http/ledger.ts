import { HttpProblem } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import { listSdks, type SdkUse } from "../ledger/list-sdks.js";
import { endedOf, type LedgerGrouping, type LedgerSum, ledgerGroupings, readLedger } from "../ledger/read-ledger.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, projectParameter } from "./api-schemas.js";

const hourMs = 3_600_000;
const intervals = { "1h": hourMs, "1d": 24 * hourMs } as const;
/** More intervals than this are too many to look at. */
const maxIntervals = 1000;

const time = { type: "string", format: "date-time" } as const;
const count = { type: "integer" } as const;
const sumProperties = {
  received: { ...count, description: "Items that arrived." },
  outcomes: {
    type: "object",
    description: "What became of them.",
    additionalProperties: {
      type: "object",
      required: ["quantity", "reasons"],
      properties: { quantity: count, reasons: { type: "object", additionalProperties: count } },
    },
  },
} as const;

const ledgerSchema = {
  type: "object",
  required: ["from", "to", "received", "outcomes", "pending", "balance", "intervals", "groups", "client_discarded"],
  properties: {
    from: time,
    to: time,
    ...sumProperties,
    pending: {
      ...count,
      description:
        "Events, and messages of sessions, check-ins, feedback and attachments, that were taken and have no outcome yet.",
    },
    pending_scope: {
      enum: ["project", "instance"],
      description: "instance: the transport cannot tell projects apart; then what waits is no part of `received`.",
    },
    balance: { ...count, description: "Received less outcomes and pending. 0, always." },
    intervals: {
      type: "array",
      description: "Oldest first; those without items are missing.",
      items: { type: "object", required: ["start"], properties: { start: time, ...sumProperties } },
    },
    groups: {
      type: "array",
      items: { type: "object", required: ["name"], properties: { name: { type: "string" }, ...sumProperties } },
    },
    client_discarded: {
      type: "array",
      description: "What clients say they did not send. Stands beside the sums.",
      items: {
        type: "object",
        properties: { reason: { type: "string" }, category: { type: "string" }, quantity: count },
      },
    },
  },
} as const;

const sumExample = {
  received: 1712,
  outcomes: {
    stored: { quantity: 1700, reasons: {} },
    rate_limited: { quantity: 12, reasons: { quota: 12 } },
  },
} as const;

const ledgerExample = {
  from: "2026-03-01T09:00:00.000Z",
  to: "2026-03-01T09:30:00.125Z",
  ...sumExample,
  pending: 0,
  pending_scope: "project",
  balance: 0,
  intervals: [{ start: "2026-03-01T09:00:00.000Z", ...sumExample }],
  groups: [{ name: "error", ...sumExample }],
  client_discarded: [{ reason: "ratelimit_backoff", category: "error", quantity: 31 }],
} as const;

const sdkSchema = {
  type: "object",
  required: ["name", "version", "last_seen_at", "accepted", "not_stored", "malformed", "last_error_codes"],
  properties: {
    name: { type: "string" },
    version: { type: "string" },
    last_seen_at: time,
    accepted: { ...count, description: "Requests that were taken in the last 30 days." },
    not_stored: {
      type: "object",
      additionalProperties: count,
      description: "Items that are not kept, by their type.",
    },
    malformed: { ...count, description: "Requests that could not be read." },
    last_error_codes: { type: "array", items: { type: "string" }, description: "The last 5, newest first." },
  },
} as const;

const sdkExample = {
  name: "sentry.javascript.node",
  version: "10.12.0",
  last_seen_at: "2026-03-01T09:30:00.125Z",
  accepted: 1712,
  not_stored: { transaction: 24 },
  malformed: 0,
  last_error_codes: [],
} as const;

const readable = { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] } as const;
const params = { type: "object", properties: { id: projectParameter } } as const;

/** What became of everything that a project was sent, and by which SDKs. */
export function registerLedgerRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects, database, clock, queue } = dependencies;

  app.get<{
    Params: { id: number };
    Querystring: { from?: string; to?: string; interval: keyof typeof intervals; group_by: LedgerGrouping };
  }>("/projects/:id/errors/ledger", {
    config: readable,
    schema: {
      summary: "Account for everything that a project was sent",
      tags: ["errors"],
      params,
      querystring: {
        type: "object",
        properties: {
          from: {
            ...time,
            description: "Default: 24 hours before the end.",
            examples: ["2026-03-01T00:00:00.000Z"],
          },
          to: { ...time, description: "Default: now.", examples: ["2026-03-01T09:30:00.000Z"] },
          interval: {
            enum: ["1h", "1d"],
            default: "1h",
            description: "Length of the intervals; days are those of UTC.",
            examples: ["1d"],
          },
          group_by: {
            enum: ledgerGroupings,
            default: "outcome",
            description: "What the groups are made by.",
            examples: ["category"],
          },
        },
      },
      response: {
        200: jsonAnswer("The hours from the first to the last one that was asked for.", ledgerSchema, ledgerExample),
      },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      const { from, to, interval, group_by: groupBy } = request.query;
      const toMs = to === undefined ? clock.nowMs() : Date.parse(to);
      const fromMs = from === undefined ? toMs - 24 * hourMs : Date.parse(from);
      const intervalMs = intervals[interval];
      if (fromMs > toMs || (toMs - fromMs) / intervalMs > maxIntervals) throw rangeProblem();
      const ledger = await readLedger(database, queue(), { projectId: project.id, fromMs, toMs, intervalMs, groupBy });
      return {
        from: iso(fromMs),
        to: iso(toMs),
        ...showSum(ledger.total),
        pending: ledger.pending.events + ledger.pending.messages,
        pending_scope: ledger.pending.isOfProject ? "project" : "instance",
        balance: ledger.balance,
        intervals: [...ledger.intervals].map(([startMs, sum]) => ({ start: iso(startMs), ...showSum(sum) })),
        groups: [...ledger.groups].map(([name, sum]) => ({ name, ...showSum(sum) })),
        client_discarded: ledger.clientDiscarded,
      };
    },
  });

  app.get<{ Params: { id: number } }>("/projects/:id/errors/sdks", {
    config: readable,
    schema: {
      summary: "List the SDKs that send to a project",
      tags: ["errors"],
      params,
      response: {
        200: jsonAnswer("Those of the last 30 days, most recently seen first.", { type: "array", items: sdkSchema }, [
          sdkExample,
        ]),
      },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      return (await listSdks(database, project.id, clock.nowMs())).map(showSdk);
    },
  });
}

function rangeProblem(): HttpProblem {
  const message = `\`from\` must not be after \`to\`, and at most ${maxIntervals} intervals lie between them.`;
  return new HttpProblem("invalid_parameter", { errors: [{ pointer: "/query/from", code: "range", message }] });
}

function showSum(sum: LedgerSum) {
  return {
    received: sum.received,
    outcomes: Object.fromEntries(
      [...sum.outcomes].map(([outcome, reasons]) => [
        outcome,
        {
          quantity: endedOf({ received: 0, outcomes: new Map([[outcome, reasons]]) }),
          reasons: Object.fromEntries([...reasons].filter(([reason]) => reason !== "")),
        },
      ]),
    ),
  };
}

function showSdk(sdk: SdkUse) {
  return {
    name: sdk.name,
    version: sdk.version,
    last_seen_at: iso(sdk.lastSeenMs),
    accepted: sdk.accepted,
    not_stored: Object.fromEntries(sdk.notStored),
    malformed: sdk.malformed,
    last_error_codes: sdk.errorCodes,
  };
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
