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
import { countSchema, isoTime, jsonAnswer, linkNext, listAnswer, page, textOrNull } from "./answers.js";
import {
  filterProperties,
  fingerprint,
  groupExample,
  groupSchema,
  letterExample,
  letterId,
  letterSchema,
  operationExample,
  operationSchema,
  previewExample,
  type reasons,
  replayCodes,
  replayOptions,
  selectionProperties,
  stateParameter,
  type states,
  wholeLetterSchema,
} from "./dead-schemas.js";
import type { ApiDependencies } from "./dependencies.js";
import { mayReadSensitive, redactEnvelope } from "./redact-envelope.js";

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
