import { ulid } from "@signalbox/kernel";
import {
  type AdmitOptions,
  admit,
  type Checkpoint,
  type CheckpointPayload,
  createRegistry,
  type Definition,
  formatTimestamp,
  parseDefinition,
  readPayload,
} from "../index.js";

/** Choices of the deployment that the suite stands for. */
export const admitOptions: AdmitOptions = {
  tenant: "default",
  types: new Set(["web", "sidekiq"]),
  discardReasons: new Set(["user_error", "cancelled", "unspecified"]),
  unknown: "reject",
};

export function definitionOf(id: string, content: object = {}): Definition {
  const reading = parseDefinition(id, {
    description: "A journey of the suite",
    feature_category: "source_code_management",
    urgency: "sync_fast",
    ...content,
  });
  if (reading.kind === "invalid") throw new TypeError(JSON.stringify(reading.errors));
  return reading.definition;
}

export type PayloadChanges = Partial<CheckpointPayload>;

/** A checkpoint as the edge would hand it to the store. */
export function checkpointOf(
  definition: Definition,
  sent: PayloadChanges & Pick<CheckpointPayload, "correlation_id" | "checkpoint" | "client_timestamp">,
  options: Partial<AdmitOptions> = {},
): Checkpoint {
  const reading = readPayload({
    covered_experience_id: definition.id,
    type: "web",
    feature_category: definition.featureCategory,
    urgency: definition.urgency,
    event_id: ulid(),
    ...sent,
  });
  if (reading.kind === "invalid") throw new TypeError(JSON.stringify(reading.faults));
  const admission = admit(reading.payload, createRegistry([definition]), { ...admitOptions, ...options });
  if (admission.kind === "refused") throw new TypeError(admission.code);
  return admission.checkpoint;
}

export function at(timeMs: number): string {
  return formatTimestamp(timeMs);
}
