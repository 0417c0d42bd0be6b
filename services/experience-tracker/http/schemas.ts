const text = { type: "string" } as const;
const time = { type: "string", format: "date-time" } as const;

export const checkpointExample = {
  correlation_id: "01JP0EM7HB39WSJNR4662MYZ6V",
  covered_experience_id: "create_merge_request",
  checkpoint: "start",
  type: "web",
  feature_category: "code_review_workflow",
  urgency: "sync_fast",
  client_timestamp: "2026-02-06T14:30:00.000Z",
} as const;

export const replyExample = {
  ...checkpointExample,
  server_timestamp: "2026-02-06T14:30:00.123Z",
  event_id: "01JP0EM7HB39WSJNR4662MYZ6W",
  run: "1",
  state: "open",
  duplicate: false,
  deadline: "2026-02-06T14:30:30.000Z",
  anomalies: [],
  warnings: [],
} as const;

/** What producers send. Its fields are judged by the rules of experiences, which tell all faults at once. */
export const checkpointSchema = {
  description:
    "Required: correlation_id (ULID, UUID or 32 hex digits), covered_experience_id, checkpoint (start, intermediate, end), type, feature_category, urgency, client_timestamp (RFC 3339 with a zone). Optional: checkpoint_category, meta, event_id, run, sequence, sent_timestamp; with an end also error, error_message, outcome (success, error, discarded), discard_reason.",
} as const;

const warnings = {
  type: "array",
  items: { type: "object", properties: { code: text, field: text } },
} as const;

export const checkpointReplySchema = {
  type: "object",
  required: ["correlation_id", "covered_experience_id", "checkpoint", "run", "state", "duplicate", "server_timestamp"],
  properties: {
    correlation_id: text,
    covered_experience_id: text,
    checkpoint: text,
    checkpoint_category: text,
    type: text,
    feature_category: text,
    urgency: text,
    client_timestamp: time,
    server_timestamp: time,
    meta: { type: "object", additionalProperties: text },
    event_id: text,
    error: { type: "boolean" },
    error_message: text,
    outcome: text,
    discard_reason: text,
    run: text,
    sequence: { type: "integer" },
    sent_timestamp: time,
    state: text,
    duplicate: { type: "boolean", description: "True: it was known, and everything else is the first answer." },
    deadline: { ...time, description: "While the run is open." },
    elapsed_s: { type: "number", description: "After a verdict." },
    apdex_success: { type: "boolean" },
    anomalies: { type: "array", items: text },
    warnings,
  },
} as const;

export const batchReplySchema = {
  description: "One result for each checkpoint, in the order sent.",
  type: "object",
  required: ["accepted", "rejected", "results"],
  properties: {
    accepted: { type: "integer" },
    rejected: { type: "integer" },
    results: { type: "array", items: { type: "object", additionalProperties: true } },
  },
  examples: [{ accepted: 1, rejected: 0, results: [{ index: 0, status: 201, retryable: false, ...replyExample }] }],
} as const;
