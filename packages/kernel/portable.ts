// The part that runs in browsers too: none of these files uses anything of Node's own.

export type { Clock, SleepOptions, Timer } from "./clock.js";
export { canonicalCorrelationId, isCorrelationId } from "./correlation-id.js";
export {
  defineErrors,
  type ErrorCatalogue,
  type ErrorEntry,
  type ErrorOptions,
  errorCode,
  errorMessage,
  SignalboxError,
} from "./errors.js";
export type { LogFields, Logger, LogLevel } from "./logger.js";
export type { Counter, Labels, Metrics } from "./metrics.js";
export { fullJitterMs } from "./retry.js";
export { silentLogger } from "./silent-logger.js";
export { createUlidFactory, isUlid, type UlidFactory, ulidTimeMs } from "./ulid.js";
