import {
  type DeadLetter,
  type DeadLetterCursor,
  type DeadLetterFilter,
  type DeadLetterSelection,
  EventStoreError,
} from "@signalbox/event-store";
import { decodeCursor, HttpProblem, pageParameters, principalOf } from "@signalbox/http";
import { canonicalCorrelationId } from "@signalbox/kernel";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Operation, OperationPosition } from "../operations.js";
import { countSchema, isoTime, jsonAnswer, linkNext, listAnswer, page, textOrNull, timeSchema } from "./answers.js";
import type { ApiDependencies } from "./dependencies.js";
import { mayReadSensitive, redactEnvelope } from "./redact-envelope.js";

const reasons = ["exhausted", "refused", "crashed", "invalid_event", "unknown_event", "condition_error"] as const;
const states = ["dead", "replaying", "resolved", "discarded", "expired"] as const;

const subscription = "alerts.notify/error_tracking.issue_created";
const letterId = `01JZ3V2M5T8Q4X9C7B6A1D0E2F.${subscription}`;
const fingerprint = "9f86d081884c7d65";

const filterProperties = {
  subscription: {
    type: "string",
    maxLength: 250,
    description: "Only letters of this subscription.",
    examples: [subscription],
  },
  event_type: {
    type: "string",
    maxLength: 120,
    description: "Only events of this type.",
    examples: ["error_tracking.issue_created"],
  },
  reason: { enum: reasons, description: "Only what was given up for this reason.", examples: ["exhausted"] },
  fingerprint: { type: "string", maxLength: 16, description: "Only failures that look so.", examples: [fingerprint] },
  correlation_id: {
    type: "string",
    maxLength: 64,
    description: "Only what belongs to this journey.",
    examples: ["01JZ3V2M5T8Q4X9C7B6A1D0E2F"],
  },
  since: { ...timeSchema, description: "Given up at or after this time." },
  until: { ...timeSchema, description: "Given up before this time." },
  text: { type: "string", minLength: 1, maxLength: 500, description: "Part of the message.", examples: ["timeout"] },
} as const;

const stateParameter = { enum: states, description: "Only letters in this state.", examples: ["dead"] } as const;

interface FilterQuery {
  readonly subscription?: string;
  readonly event_type?: string;
  readonly reason?: (typeof reasons)[number];
  readonly state?: (typeof states)[number];
  readonly fingerprint?: string;
  readonly correlation_id?: string;
  readonly since?: string;
  readonly until?: string;
  readonly text?: string;
}

const errorSchema = {
  type: "object",
  required: ["class", "code", "message", "stack"],
  properties: { class: { type: "string" }, code: textOrNull, message: { type: "string" }, stack: textOrNull },
} as const;

const letterProperties = {
  id: { type: "string" },
  subscription: { type: "string" },
  event_type: { type: "string" },
  reason: { enum: reasons },
  error: errorSchema,
  fingerprint: { type: "string" },
  correlation_id: { type: "string" },
  first_failed_at: timeSchema,
  dead_at: timeSchema,
  replay_count: countSchema,
  last_replayed_at: textOrNull,
  state: { enum: states },
  note: { ...textOrNull, description: "Why it was discarded." },
} as const;

const letterExample = {
  id: letterId,
  subscription,
  event_type: "error_tracking.issue_created",
  reason: "exhausted",
  error: { class: "TypeError", code: null, message: "fetch failed", stack: null },
  fingerprint,
  correlation_id: "01JZ3V2M5T8Q4X9C7B6A1D0E2F",
  first_failed_at: "2026-03-01T09:30:00.125Z",
  dead_at: "2026-03-01T09:31:07.000Z",
  replay_count: 0,
  last_replayed_at: null,
  state: "dead",
  note: null,
};

const letterSchema = { type: "object", required: Object.keys(letterProperties), properties: letterProperties } as const;

const wholeLetterSchema = {
  type: "object",
  required: [...letterSchema.required, "event", "attempts"],
  properties: {
    ...letterProperties,
    event: { type: "object", additionalProperties: true, description: "The whole envelope." },
    attempts: {
      type: "array",
      items: {
        type: "object",
        required: ["at", "duration_s", "error"],
        properties: { at: timeSchema, duration_s: { type: "number" }, error: errorSchema },
      },
    },
  },
} as const;

const groupExample = {
  fingerprint,
  count: 12,
  first_dead_at: "2026-03-01T09:31:07.000Z",
  last_dead_at: "2026-03-01T11:02:41.500Z",
  sample_id: letterId,
  subscriptions: [subscription],
};

const groupSchema = {
  type: "object",
  required: Object.keys(groupExample),
  properties: {
    fingerprint: { type: "string" },
    count: countSchema,
    first_dead_at: timeSchema,
    last_dead_at: timeSchema,
    sample_id: { type: "string" },
    subscriptions: { type: "array", items: { type: "string" } },
  },
} as const;

const operationExample = {
  id: "01JZ3V2M5T8Q4X9C7B6A1D0E2F",
  kind: "replay",
  actor: "night shift",
  subscriber: null,
  selection: { fingerprint },
  reason: null,
  state: "done",
  matched: 12,
  replayed: 12,
  refused: 0,
  resolved: 11,
  failed: 1,
  pending: 0,
  error: null,
  started_at: "2026-03-01T12:00:00.000Z",
  finished_at: "2026-03-01T12:00:00.320Z",
};

const operationSchema = {
  type: "object",
  required: Object.keys(operationExample),
  properties: {
    id: { type: "string" },
    kind: { enum: ["replay", "discard", "purge", "pause", "resume"] },
    actor: { type: "string", description: "Subject of the token." },
    subscriber: textOrNull,
    selection: { description: "The ids or the filter, as given." },
    reason: textOrNull,
    state: {
      enum: ["running", "done", "failed", "interrupted"],
      description: "Of the handing over; what became of the letters, the counts say.",
    },
    matched: countSchema,
    replayed: { ...countSchema, description: "Or discarded, or removed." },
    refused: { ...countSchema, description: "Letters that were not dead any more." },
    resolved: countSchema,
    failed: { ...countSchema, description: "Replayed letters that were given up again." },
    pending: countSchema,
    error: { ...textOrNull, description: "Code of what ended it early." },
    started_at: timeSchema,
    finished_at: textOrNull,
  },
} as const;

const replayCodes = [
  "EVT_FILTER_EMPTY",
  "EVT_FILTER_INVALID",
  "EVT_DEAD_LETTER_STATE",
  "EVT_REPLAY_LIMIT",
  "unavailable",
];

const selectionProperties = {
  ids: { type: "array", minItems: 1, maxItems: 1000, items: { type: "string", maxLength: 400 } },
  filter: {
    type: "object",
    additionalProperties: false,
    description: "Letters in state `dead` with all of these.",
    properties: filterProperties,
  },
} as const;

const replayOptions = {
  ratePerSecond: { type: "integer", minimum: 1, maximum: 100_000, description: "Default 50." },
  limit: { type: "integer", minimum: 1, maximum: 10_000, description: "Most letters that are replayed." },
  force: { type: "boolean", description: "Also what was replayed as often as allowed." },
} as const;

interface Selection {
  readonly ids?: readonly string[];
  readonly filter?: FilterQuery;
}

interface ReplayBody extends Selection {
  readonly dryRun?: boolean;
  readonly ratePerSecond?: number;
  readonly limit?: number;
  readonly force?: boolean;
}

const previewExample = {
  would_replay: 11,
  would_fail: [{ id: letterId, code: "EVT_DATA_INVALID", pointer: "/title" }],
  over_limit: false,
};

/** Deliveries that were given up, and what can be done about them. */
export function registerDeadLetterRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { eventStore, operations, changed } = dependencies;

  app.get<{ Querystring: FilterQuery & { limit: number; cursor?: string } }>("/dead", {
    config: { access: { scope: "events:read" }, errors: ["EVT_FILTER_INVALID", "invalid_cursor", "unavailable"] },
    schema: {
      summary: "List the dead letters",
      tags: ["events"],
      querystring: { type: "object", properties: { ...filterProperties, state: stateParameter, ...pageParameters } },
      response: { 200: listAnswer("Letters, newest first.", letterSchema, letterExample) },
    },
    async handler(request, reply) {
      const { limit, cursor, ...query } = request.query;
      const after = cursor === undefined ? undefined : decodeCursor(cursor, isLetterPosition);
      const { letters, next } = await eventStore().dead.list(toFilter(query), { limit, ...(after && { after }) });
      linkNext(request, reply, limit, next ?? undefined);
      return letters.map(toLetter);
    },
  });

  app.get<{ Querystring: FilterQuery & { limit: number } }>("/dead/groups", {
    config: { access: { scope: "events:read" }, errors: ["EVT_FILTER_INVALID", "unavailable"] },
    schema: {
      summary: "Group the dead letters by how their failures look",
      tags: ["events"],
      querystring: {
        type: "object",
        properties: { ...filterProperties, state: stateParameter, limit: pageParameters.limit },
      },
      response: {
        200: jsonAnswer("Groups, largest first.", { type: "array", items: groupSchema }, [groupExample]),
      },
    },
    async handler(request) {
      const { limit, ...query } = request.query;
      const groups = await eventStore().dead.groups(toFilter(query), { limit });
      return groups.map((group) => ({
        fingerprint: group.fingerprint,
        count: group.count,
        first_dead_at: isoTime(group.firstDeadAtMs),
        last_dead_at: isoTime(group.lastDeadAtMs),
        sample_id: group.sampleId,
        subscriptions: group.subscriptions,
      }));
    },
  });

  app.get<{ Querystring: { limit: number; cursor?: string } }>("/dead/audit", {
    config: { access: { scope: "events:read" }, errors: ["EVT_FILTER_INVALID", "invalid_cursor", "unavailable"] },
    schema: {
      summary: "List what operators did to dead letters and queues",
      tags: ["events"],
      querystring: { type: "object", properties: pageParameters },
      response: { 200: listAnswer("Operations, newest first.", operationSchema, operationExample) },
    },
    async handler(request, reply) {
      const { limit, cursor } = request.query;
      const after = cursor === undefined ? undefined : decodeCursor(cursor, isOperationPosition);
      const rows = await operations.list(limit + 1, after);
      return page(request, reply, limit, rows, ({ startedAtMs, id }) => ({ startedAtMs, id })).map(toOperation);
    },
  });

  app.get<{ Params: { id: string } }>("/dead/:id", {
    config: { access: { scope: "events:read" }, errors: ["not_found", "EVT_FILTER_INVALID", "unavailable"] },
    schema: {
      summary: "Show a dead letter",
      tags: ["events"],
      params: { type: "object", properties: { id: idParameter("Id of the letter.", letterId) } },
      response: {
        200: jsonAnswer("The letter.", wholeLetterSchema, {
          ...letterExample,
          event: { specversion: "1.0", id: "01JZ3V2M5T8Q4X9C7B6A1D0E2F" },
          attempts: [{ at: "2026-03-01T09:30:00.125Z", duration_s: 0.2, error: letterExample.error }],
        }),
      },
    },
    async handler(request) {
      const letter = await eventStore().dead.get(request.params.id);
      if (!letter) throw new HttpProblem("not_found", { detail: `There is no dead letter ${request.params.id}.` });
      const { definitions } = eventStore();
      return {
        ...toLetter(letter),
        event: redactEnvelope(letter.event, letter.eventType, definitions, mayReadSensitive(request)),
        attempts: letter.attempts.map(({ at, durationMs, error }) => ({ at, duration_s: durationMs / 1_000, error })),
      };
    },
  });

  app.post<{ Body: ReplayBody }>("/dead/replay", {
    config: { access: { scope: "events:admin" }, errors: replayCodes },
    schema: {
      summary: "Replay dead letters",
      description: "Each goes to its own subscription again, with fresh attempts and the id it always had.",
      tags: ["events"],
      body: {
        type: "object",
        additionalProperties: false,
        properties: {
          ...selectionProperties,
          ...replayOptions,
          dryRun: { type: "boolean", description: "Change nothing; say what would happen." },
        },
        examples: [{ filter: { fingerprint }, ratePerSecond: 20, dryRun: true }],
      },
      response: {
        200: jsonAnswer(
          "What would happen.",
          {
            type: "object",
            required: Object.keys(previewExample),
            properties: {
              would_replay: countSchema,
              would_fail: {
                type: "array",
                items: {
                  type: "object",
                  required: ["id", "code", "pointer"],
                  properties: { id: { type: "string" }, code: { type: "string" }, pointer: textOrNull },
                },
              },
              over_limit: { type: "boolean", description: "More letters match than may be replayed at once." },
            },
          },
          previewExample,
        ),
        202: jsonAnswer("The replay has begun.", operationSchema, operationExample),
      },
    },
    async handler(request, reply) {
      const { ids, filter, dryRun, ...options } = request.body;
      const selection = toSelection({ ...(ids && { ids }), ...(filter && { filter }) });
      if (dryRun === true) {
        const preview = await eventStore().dead.replay(selection, { ...options, dryRun: true });
        return {
          would_replay: preview.wouldReplay,
          would_fail: preview.wouldFail,
          over_limit: preview.overLimit,
        };
      }
      const operation = await operations.replay(selection, options, actorOf(request));
      changed();
      return reply.code(202).header("location", `/api/v1/events/replays/${operation.id}`).send(toOperation(operation));
    },
  });

  app.post<{ Params: { id: string } }>("/dead/:id/replay", {
    config: { access: { scope: "events:admin" }, errors: ["not_found", ...replayCodes] },
    schema: {
      summary: "Replay one dead letter",
      tags: ["events"],
      params: { type: "object", properties: { id: idParameter("Id of the letter.", letterId) } },
      response: { 202: jsonAnswer("The replay has begun.", operationSchema, operationExample) },
    },
    async handler(request, reply) {
      const { id } = request.params;
      if (!(await eventStore().dead.get(id)))
        throw new HttpProblem("not_found", { detail: `There is no dead letter ${id}.` });
      const operation = await operations.replay([id], {}, actorOf(request));
      changed();
      return reply.code(202).header("location", `/api/v1/events/replays/${operation.id}`).send(toOperation(operation));
    },
  });

  app.post<{ Body: Selection & { reason: string } }>("/dead/discard", {
    config: { access: { scope: "events:admin" }, errors: replayCodes },
    schema: {
      summary: "Give dead letters up for good",
      tags: ["events"],
      body: {
        type: "object",
        required: ["reason"],
        additionalProperties: false,
        properties: {
          ...selectionProperties,
          reason: { type: "string", minLength: 1, maxLength: 500, description: "Why; it is kept." },
        },
        examples: [{ ids: [letterId], reason: "the project was deleted" }],
      },
      response: { 200: jsonAnswer("What was discarded.", operationSchema, { ...operationExample, kind: "discard" }) },
    },
    async handler(request) {
      const { reason, ...selection } = request.body;
      const operation = await operations.discard(toSelection(selection), reason, actorOf(request));
      changed();
      return toOperation(operation);
    },
  });

  app.get<{ Params: { id: string } }>("/replays/:id", {
    config: { access: { scope: "events:read" }, errors: ["not_found", "EVT_FILTER_INVALID", "unavailable"] },
    schema: {
      summary: "Show how far a replay is",
      tags: ["events"],
      params: {
        type: "object",
        properties: { id: idParameter("Id that the replay was answered with.", operationExample.id) },
      },
      response: { 200: jsonAnswer("The replay.", operationSchema, operationExample) },
    },
    async handler({ params: { id } }) {
      const operation = await operations.get(id);
      if (operation?.kind !== "replay") throw new HttpProblem("not_found", { detail: `There is no replay ${id}.` });
      return toOperation(operation);
    },
  });
}

function idParameter(description: string, example: string) {
  return { type: "string", maxLength: 400, description, examples: [example] } as const;
}

function actorOf(request: FastifyRequest): string {
  return principalOf(request).subject;
}

function toFilter(query: FilterQuery): DeadLetterFilter {
  const { event_type, correlation_id, since, until, ...same } = query;
  return {
    ...same,
    ...(event_type !== undefined && { eventType: event_type }),
    ...(correlation_id !== undefined && { correlationId: canonicalCorrelationId(correlation_id) }),
    ...(since !== undefined && { sinceMs: Date.parse(since) }),
    ...(until !== undefined && { untilMs: Date.parse(until) }),
  };
}

/** @throws {EventStoreError} `EVT_FILTER_INVALID` for both at once. */
function toSelection({ ids, filter }: Selection): DeadLetterSelection {
  if (ids && filter)
    throw new EventStoreError("EVT_FILTER_INVALID", {
      message: "Give `ids` or `filter`, not both.",
      details: { key: "ids" },
    });
  return ids ?? toFilter(filter ?? {});
}

function toLetter(letter: DeadLetter) {
  return {
    id: letter.id,
    subscription: letter.subscription,
    event_type: letter.eventType,
    reason: letter.reason,
    error: letter.error,
    fingerprint: letter.fingerprint,
    correlation_id: letter.correlationId,
    first_failed_at: isoTime(letter.firstFailedAtMs),
    dead_at: isoTime(letter.deadAtMs),
    replay_count: letter.replayCount,
    last_replayed_at: isoTime(letter.lastReplayedAtMs),
    state: letter.state,
    note: letter.note,
  };
}

function toOperation(operation: Operation) {
  const { changed, startedAtMs, finishedAtMs, ...same } = operation;
  return { ...same, replayed: changed, started_at: isoTime(startedAtMs), finished_at: isoTime(finishedAtMs) };
}

function isLetterPosition(value: unknown): value is DeadLetterCursor {
  return isPosition(value, "deadAtMs");
}

function isOperationPosition(value: unknown): value is OperationPosition {
  return isPosition(value, "startedAtMs");
}

function isPosition(value: unknown, time: string): boolean {
  if (typeof value !== "object" || value === null || !("id" in value) || typeof value.id !== "string") return false;
  return typeof Reflect.get(value, time) === "number";
}
