import type { EventBranch, HandlingRecord, SubscriptionExplanation } from "@signalbox/event-store";
import { decodeCursor, HttpProblem, pageParameters } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import { type LogEntry, type LogPosition, readLog } from "../read-log.js";
import { countSchema, isoTime, jsonAnswer, listAnswer, page, textOrNull, timeSchema } from "./answers.js";
import type { ApiDependencies } from "./dependencies.js";
import { mayReadSensitive, redactEnvelope } from "./redact-envelope.js";

const decisions = [
  "dispatched",
  "scheduled",
  "condition_false",
  "condition_error",
  "deduplicated",
  "duplicate",
  "flag_off",
  "transport_error",
  "no_subscribers",
] as const;
const settlements = ["done", "retried", "dead", "discarded", "handed_back", "lease_lost"] as const;

const eventId = "01JZ3V2M5T8Q4X9C7B6A1D0E2F";
const subscription = "alerts.notify/error_tracking.issue_created";

const publishedExample = {
  kind: "published",
  at: "2026-03-01T09:30:00.125Z",
  event_id: eventId,
  event_type: "error_tracking.issue_created",
  correlation_id: eventId,
  subject: "projects/1/errors/42",
  causation_id: null,
  root_caller: "POST /api/:project/envelope/",
  decisions: [{ subscription, decision: "dispatched", condition_us: 0, due_at: null }],
};

const attemptProperties = {
  attempt: countSchema,
  settlement: { enum: settlements },
  started_at: timeSchema,
  finished_at: timeSchema,
  duration_s: { type: "number", minimum: 0 },
  scheduling_latency_s: { type: "number", minimum: 0 },
  error: {
    type: ["object", "null"],
    required: ["class", "code", "message"],
    properties: { class: { type: "string" }, code: textOrNull, message: { type: "string" } },
  },
  ignored: { type: "boolean", description: "The handler said that the event did not concern it." },
} as const;

const entrySchema = {
  type: "object",
  required: ["kind", "at", "event_id", "event_type", "correlation_id"],
  properties: {
    kind: { enum: ["published", "attempt"] },
    at: timeSchema,
    event_id: { type: "string" },
    event_type: { type: "string" },
    correlation_id: { type: "string" },
    subject: { type: "string" },
    causation_id: textOrNull,
    root_caller: textOrNull,
    decisions: {
      type: "array",
      description: "Of a publish: what was concluded for each subscription.",
      items: {
        type: "object",
        required: ["subscription", "decision", "condition_us", "due_at"],
        properties: {
          subscription: textOrNull,
          decision: { enum: decisions },
          condition_us: { type: "number" },
          due_at: textOrNull,
        },
      },
    },
    subscription: { type: "string", description: "Of an attempt: who handled it." },
    delivery_id: { type: "string" },
    worker: { type: "string", description: "Host and process." },
    ...attemptProperties,
  },
} as const;

const logParameters = {
  type: {
    type: "string",
    maxLength: 120,
    description: "Only events of this type.",
    examples: ["error_tracking.issue_created"],
  },
  subscription: {
    type: "string",
    maxLength: 250,
    description: "Only what concerns this subscription.",
    examples: [subscription],
  },
  decision: { enum: decisions, description: "Only publishes with such a decision.", examples: ["condition_false"] },
  settlement: { enum: settlements, description: "Only attempts that ended so.", examples: ["dead"] },
  correlation_id: {
    type: "string",
    maxLength: 64,
    description: "Only what belongs to this journey.",
    examples: [eventId],
  },
  since: { ...timeSchema, description: "At or after this time." },
  until: { ...timeSchema, description: "Before this time." },
  ...pageParameters,
} as const;

interface LogQuery {
  readonly type?: string;
  readonly subscription?: string;
  readonly decision?: string;
  readonly settlement?: string;
  readonly correlation_id?: string;
  readonly since?: string;
  readonly until?: string;
  readonly cursor?: string;
  readonly limit: number;
}

const branchExample = {
  event: {
    id: eventId,
    type: "error_tracking.issue_created",
    subject: "projects/1/errors/42",
    correlation_id: eventId,
    causation_id: null,
    root_caller: null,
    published_at: "2026-03-01T09:30:00.125Z",
  },
  subscriptions: [
    {
      subscription,
      decision: "dispatched",
      outcome: "delivered",
      condition_us: 0,
      due_at: null,
      delivery_id: `${eventId}.${subscription}`,
      attempts: [],
      queued: null,
      dead_letter: null,
    },
  ],
  children: [],
};

const branchSchema = {
  type: "object",
  required: ["event", "subscriptions", "children"],
  properties: {
    event: { type: "object", additionalProperties: true },
    subscriptions: {
      type: "array",
      items: {
        type: "object",
        required: Object.keys(branchExample.subscriptions[0] ?? {}),
        additionalProperties: true,
        properties: { attempts: { type: "array", items: { type: "object", properties: attemptProperties } } },
      },
    },
    children: {
      type: "array",
      items: { type: "object", additionalProperties: true },
      description: "What was published while it was handled, in the same form.",
    },
    envelope: {
      type: ["object", "null"],
      additionalProperties: true,
      description: "The event, as long as a delivery or a dead letter still has it.",
    },
    truncated: { type: "boolean", description: "There are more descendants." },
    history: {
      enum: ["read", "unavailable", "off"],
      description: "Whether the dispatch log could be read; queues and dead letters are told in any case.",
    },
  },
} as const;

/** What was published, who got it, and what became of it. */
export function registerLogRoutes(app: FastifyInstance, { analytics, eventStore }: ApiDependencies): void {
  app.get<{ Querystring: LogQuery }>("/log", {
    config: { access: { scope: "events:read" }, errors: ["EVT_FILTER_INVALID", "invalid_cursor", "unavailable"] },
    schema: {
      summary: "Read the dispatch log",
      description: "Publishes and attempts, newest first. It is written about once a second.",
      tags: ["events"],
      querystring: { type: "object", properties: logParameters },
      response: { 200: listAnswer("Entries, newest first.", entrySchema, publishedExample) },
    },
    async handler(request, reply) {
      const { limit, cursor, since, until, correlation_id: correlationId, ...filter } = request.query;
      const rows = await readLog(
        analytics,
        {
          ...filter,
          correlationId,
          ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
          ...(until === undefined ? {} : { untilMs: Date.parse(until) }),
        },
        limit + 1,
        cursor === undefined ? undefined : decodeCursor(cursor, isPosition),
      );
      return page(request, reply, limit, rows, ({ at, key }) => ({ at, key })).map(toEntry);
    },
  });

  app.get<{ Params: { event_id: string } }>("/why/:event_id", {
    config: { access: { scope: "events:read" }, errors: ["not_found", "EVT_FILTER_INVALID", "unavailable"] },
    schema: {
      summary: "Explain what became of an event",
      tags: ["events"],
      params: {
        type: "object",
        properties: {
          event_id: { type: "string", maxLength: 128, description: "Id of the event.", examples: [eventId] },
        },
      },
      response: {
        200: jsonAnswer("Who got it, who did not and why, and what it caused.", branchSchema, {
          ...branchExample,
          envelope: null,
          truncated: false,
          history: "read",
        }),
      },
    },
    async handler(request) {
      const id = request.params.event_id;
      const store = eventStore();
      const explanation = await store.why(id);
      if (!explanation) throw new HttpProblem("not_found", { detail: `Nothing is known of an event ${id}.` });
      const { envelope, truncated, history } = explanation;
      return {
        ...toBranch(explanation),
        envelope:
          envelope === null
            ? null
            : redactEnvelope(envelope, explanation.event.type, store.definitions, mayReadSensitive(request)),
        truncated,
        history,
      };
    },
  });
}

function isPosition(value: unknown): value is LogPosition {
  return (
    typeof value === "object" &&
    value !== null &&
    "at" in value &&
    typeof value.at === "string" &&
    !Number.isNaN(Date.parse(value.at)) &&
    "key" in value &&
    typeof value.key === "string"
  );
}

function toEntry(entry: LogEntry) {
  const head = {
    kind: entry.kind,
    at: entry.at,
    event_id: entry.event_id,
    event_type: entry.event_type,
    correlation_id: entry.correlation_id,
  };
  if (entry.kind === "attempt")
    return {
      ...head,
      subscription: entry.subscription,
      delivery_id: entry.delivery_id,
      worker: entry.worker,
      attempt: entry.attempt,
      settlement: entry.settlement,
      started_at: entry.started_at,
      finished_at: entry.finished_at,
      duration_s: entry.duration_ms / 1_000,
      scheduling_latency_s: entry.scheduling_latency_ms / 1_000,
      error: toError(entry.error_class, entry.error_code, entry.error_message),
      ignored: entry.ignored === 1,
    };
  return {
    ...head,
    subject: entry.subject,
    causation_id: entry.causation_id || null,
    root_caller: entry.root_caller || null,
    decisions: entry.decisions.map((decision, index) => {
      const due = entry.due_at[index];
      return {
        subscription: entry.subscriptions[index] || null,
        decision,
        condition_us: entry.condition_us[index] ?? 0,
        due_at: due === undefined || Date.parse(due) === 0 ? null : due,
      };
    }),
  };
}

function toError(name: string, code: string, message: string) {
  return name === "" ? null : { class: name, code: code || null, message };
}

interface Branch {
  readonly event: object;
  readonly subscriptions: readonly object[];
  readonly children: readonly Branch[];
}

function toBranch({ event, subscriptions, children }: EventBranch): Branch {
  return {
    event: {
      id: event.id,
      type: event.type,
      subject: event.subject,
      correlation_id: event.correlationId,
      causation_id: event.causationId,
      root_caller: event.rootCaller,
      published_at: isoTime(event.publishedAtMs),
    },
    subscriptions: subscriptions.map(toExplanation),
    children: children.map(toBranch),
  };
}

function toExplanation(one: SubscriptionExplanation) {
  return {
    subscription: one.subscription,
    decision: one.decision,
    outcome: one.outcome,
    condition_us: one.conditionUs,
    due_at: isoTime(one.dueAtMs),
    delivery_id: one.deliveryId,
    attempts: one.attempts.map(toAttempt),
    queued: one.queued && {
      state: one.queued.state,
      due_at: isoTime(one.queued.dueAtMs),
      attempts: one.queued.attempts,
    },
    dead_letter: one.deadLetter && {
      id: one.deadLetter.id,
      state: one.deadLetter.state,
      reason: one.deadLetter.reason,
      replay_count: one.deadLetter.replayCount,
      note: one.deadLetter.note,
    },
  };
}

function toAttempt(attempt: HandlingRecord) {
  return {
    attempt: attempt.attempt,
    settlement: attempt.settlement,
    started_at: isoTime(attempt.startedAtMs),
    finished_at: isoTime(attempt.finishedAtMs),
    duration_s: attempt.durationMs / 1_000,
    scheduling_latency_s: attempt.schedulingLatencyMs / 1_000,
    error: toError(attempt.errorClass ?? "", attempt.errorCode ?? "", attempt.errorMessage ?? ""),
    ignored: attempt.ignored,
  };
}
