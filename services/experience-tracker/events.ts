import { hash } from "node:crypto";
import {
  type DomainEvent,
  defineEvent,
  type EventDefinition,
  type JsonSchema,
  type TypedSchema,
} from "@signalbox/event-store";
import { formatTimestamp, identityKey, type OutboxRecord } from "@signalbox/experience";
import { type CheckpointData, checkpointData, subjectOf, type VerdictData, verdictData } from "./event-data.js";

const text = { type: "string" } as const;
const time = { type: "string", description: "RFC 3339 in UTC with milliseconds" } as const;
const seconds = { type: "number", description: "Seconds" } as const;
const texts = { type: "array", items: text } as const;
const meta = { type: "object", additionalProperties: text } as const;

const runProperties = {
  tenant: text,
  correlation_id: text,
  covered_experience_id: text,
  run: text,
  feature_category: text,
  urgency: text,
  state: text,
  threshold_s: seconds,
  timeout_s: seconds,
  definition_version: text,
  started_at: time,
} as const;

const verdictSchema: TypedSchema<VerdictData> & JsonSchema = {
  type: "object",
  required: ["tenant", "correlation_id", "covered_experience_id", "run", "state", "verdict_at", "decided_at"],
  properties: {
    ...runProperties,
    type: text,
    reason: { type: "string", enum: ["error", "timeout", "inactivity", "missing_start"] },
    error: { type: "boolean" },
    counted: { type: "boolean", description: "False: its producer was not believed, and no counter knows of it" },
    apdex_success: { type: "boolean" },
    ended_at: time,
    verdict_at: time,
    decided_at: time,
    elapsed_s: seconds,
    last_category: text,
    last_type: text,
    checkpoint_count: { type: "integer" },
    anomalies: texts,
    late_end_at: time,
    late_end_outcome: text,
    lateness_s: seconds,
    error_message: text,
    discard_reason: text,
    event_id: text,
    meta,
    recorded_at: time,
  },
};

const checkpointSchema: TypedSchema<CheckpointData> & JsonSchema = {
  type: "object",
  required: ["tenant", "correlation_id", "covered_experience_id", "run", "event_id", "checkpoint", "occurred_at"],
  properties: {
    ...runProperties,
    event_id: text,
    checkpoint: { type: "string", enum: ["start", "intermediate", "end"] },
    checkpoint_category: text,
    type: text,
    client_timestamp: time,
    server_timestamp: time,
    occurred_at: time,
    sequence: { type: "integer" },
    applied: { type: "boolean", description: "Whether it moved the run" },
    outcome: text,
    error_message: text,
    discard_reason: text,
    anomalies: texts,
    meta,
    producer: text,
    recorded_at: time,
    verdict: verdictSchema,
  },
};

const shared = {
  owner: "experience-tracker",
  category: "observability",
  // There is a log line of its own for each of them.
  log: "failures",
  sensitive: ["/meta", "/error_message"],
} as const;

export const checkpointRecorded: EventDefinition<CheckpointData> = defineEvent("experience.checkpoint_recorded", {
  ...shared,
  description: "A checkpoint of a run was recorded",
  schema: checkpointSchema,
});

const verdictEvent = (name: string, description: string): EventDefinition<VerdictData> =>
  defineEvent(name, { ...shared, description, schema: verdictSchema });

export const verdictEvents = {
  completed: verdictEvent("experience.completed", "A run ended well"),
  failed: verdictEvent("experience.failed", "A run ended with an error"),
  timed_out: verdictEvent("experience.timed_out", "A run did not end in time"),
  discarded: verdictEvent("experience.discarded", "A run ended through nobody's fault and counts nowhere"),
  orphaned: verdictEvent("experience.orphaned", "A run of which neither start nor end came was given up"),
} as const;

/** Every record as an event. Its id follows from the record, so that a repetition is recognised. */
export function eventOf(record: OutboxRecord): DomainEvent<CheckpointData> | DomainEvent<VerdictData> {
  const { correlationId } = record.run.identity;
  const options = {
    id: `xp-${nameOf(record)}-${record.position}`,
    subject: subjectOf(record),
    time: formatTimestamp(record.atMs),
    key: correlationId,
    correlationId,
  };
  if (record.kind === "checkpoint_recorded") return checkpointRecorded.create(checkpointData(record), options);
  const data = verdictData(record);
  if (!data) throw new TypeError("A verdict record without a verdict");
  return verdictEvents[record.kind].create(data, options);
}

let lastKey = "";
let lastName = "";

/** A short name of the run for ever. The records of one step come one after the other and share it. */
function nameOf({ run }: OutboxRecord): string {
  const key = `${identityKey(run.identity)}|${run.bornAtMs}`;
  if (key !== lastKey) {
    lastName = hash("sha256", key, "base64url").slice(0, 32);
    lastKey = key;
  }
  return lastName;
}
