import { countSchema, textOrNull, timeSchema } from "./answers.js";

export const reasons = [
  "exhausted",
  "refused",
  "crashed",
  "invalid_event",
  "unknown_event",
  "condition_error",
] as const;
export const states = ["dead", "replaying", "resolved", "discarded", "expired"] as const;

const subscription = "alerts.notify/error_tracking.issue_created";
export const letterId = `01JZ3V2M5T8Q4X9C7B6A1D0E2F.${subscription}`;
export const fingerprint = "9f86d081884c7d65";

export const filterProperties = {
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

export const stateParameter = { enum: states, description: "Only letters in this state.", examples: ["dead"] } as const;

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

export const letterExample = {
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

export const letterSchema = {
  type: "object",
  required: Object.keys(letterProperties),
  properties: letterProperties,
} as const;

export const wholeLetterSchema = {
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

export const groupExample = {
  fingerprint,
  count: 12,
  first_dead_at: "2026-03-01T09:31:07.000Z",
  last_dead_at: "2026-03-01T11:02:41.500Z",
  sample_id: letterId,
  subscriptions: [subscription],
};

export const groupSchema = {
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

export const operationExample = {
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

export const operationSchema = {
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

export const replayCodes = [
  "EVT_FILTER_EMPTY",
  "EVT_FILTER_INVALID",
  "EVT_DEAD_LETTER_STATE",
  "EVT_REPLAY_LIMIT",
  "unavailable",
];

export const selectionProperties = {
  ids: { type: "array", minItems: 1, maxItems: 1000, items: { type: "string", maxLength: 400 } },
  filter: {
    type: "object",
    additionalProperties: false,
    description: "Letters in state `dead` with all of these.",
    properties: filterProperties,
  },
} as const;

export const replayOptions = {
  ratePerSecond: { type: "integer", minimum: 1, maximum: 100_000, description: "Default 50." },
  limit: { type: "integer", minimum: 1, maximum: 10_000, description: "Most letters that are replayed." },
  force: { type: "boolean", description: "Also what was replayed as often as allowed." },
} as const;

export const previewExample = {
  would_replay: 11,
  would_fail: [{ id: letterId, code: "EVT_DATA_INVALID", pointer: "/title" }],
  over_limit: false,
};
