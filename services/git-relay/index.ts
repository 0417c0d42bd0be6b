export {
  createEventIntake,
  type EventIntake,
  type EventIntakeOptions,
  type SavedListener,
  type Sender,
  type Verdict,
} from "./accept-event.js";
export { type RelaySettings, relaySection } from "./config.js";
export { RelayError, type RelayErrorCode, relayErrors } from "./errors.js";
export { type EventSaved, eventSaved } from "./events.js";
export {
  createPolicy,
  type Decision,
  type Policy,
  type PolicyContext,
  type PolicyOptions,
  type RefusalPrefix,
} from "./policy.js";
export { checkPolicyModule, type ModuleCheck, type ModuleCheckOptions } from "./policy-module/check-module.js";
export { referenceVariables, warnOfReferenceVariables } from "./reference-variables.js";
export { loadRelayKey, type RelayKeyOptions } from "./relay-key.js";
export {
  createGitRelay,
  createGitRelayApi,
  type GitRelay,
  type GitRelayApiDependencies,
  type GitRelayDependencies,
} from "./service.js";
export { relayMigrations } from "./store/migrations.js";
export type * from "./store/port.js";
export { createSqlRelayEvents, type SqlRelayEventsOptions } from "./store/sql.js";
export { noJourneys, type SyncJourney, type SyncJourneys } from "./sync/ports.js";
export { createRelayTimelineSource } from "./timeline-source.js";
export { openInstalledLibrary } from "./verify/installed-library.js";
export { createVerifierPool, type VerifierPoolOptions } from "./verify/pool.js";
export { createInlineVerifier, type Verifier } from "./verify/verifier.js";
export { createSubscriptionIndex, type Listener, type SubscriptionIndex } from "./ws/subscription-index.js";
