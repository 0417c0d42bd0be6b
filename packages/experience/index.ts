export * from "./activity.js";
export { type Admission, type AdmitOptions, admit, termsOf } from "./admit.js";
export { builtInDefinitions } from "./built-in-definitions.js";
export * from "./counters.js";
export * from "./definition.js";
export * from "./definition-file.js";
export {
  type FileReading,
  type FolderReading,
  type KnownFiles,
  maxDefinitionBytes,
  readDefinitionFolder,
} from "./definition-folder.js";
export { definitionSchema } from "./definition-schema.js";
export { ExperienceError, type ExperienceErrorCode, experienceErrors } from "./errors.js";
export { judgeBeat, untilNow } from "./judge-beat.js";
export { createMemoryStore, type MemoryStoreOptions } from "./memory-store.js";
export { type CheckpointRecord, type OutboxRecord, recordKey, type VerdictKind, type VerdictRecord } from "./outbox.js";
export type { PathMark } from "./path.js";
export * from "./payload.js";
export {
  type FieldCode,
  type FieldFault,
  type PayloadOptions,
  type PayloadReading,
  type ReadPayload,
  readPayload,
} from "./read-payload.js";
export { createRegistry, type Registry } from "./registry.js";
export { defaultRules, maxTimeline, type Rules } from "./rules.js";
export * from "./run.js";
export * from "./store.js";
export { formatTimestamp, parseTimestamp } from "./timestamp.js";
export {
  advance,
  type Expiry,
  expire,
  isForgotten,
  lastMomentMs,
  type Rejection,
  type Situation,
  type Transition,
} from "./transition.js";
export * from "./urgency.js";
