export { type DispatchLogContractOptions, describeDispatchLog } from "./dispatch-log-contract.js";
export { createTestStore, type TestStore, type TestStoreOptions } from "./test-store.js";
export {
  assertPublishes,
  assertPublishesNothing,
  type PublishCheckOptions,
  type RecordOptions,
  recordEvents,
} from "./testing/assert-publishes.js";
export { type ConsumeEventOptions, consumeEvent } from "./testing/consume-event.js";
export { assertEventWithSchema, eventWithSchema, type SchemaCase, type WrongValues } from "./testing/event-suite.js";
export {
  type AnyPublished,
  type EventMeta,
  type NotPublished,
  notPublished,
  type PublishExpectation,
  type Published,
  published,
} from "./testing/expectations.js";
export type { AsymmetricMatcher, Expected } from "./testing/match-data.js";
export {
  type EventMatchers,
  eventMatchers,
  type MatcherResult,
  type MatcherState,
  type ToPublishEventOptions,
} from "./testing/matchers.js";
export {
  handlerHash,
  type IdempotencyProof,
  type ProveIdempotentOptions,
  proveIdempotent,
  readProofs,
  writeProof,
} from "./testing/prove-idempotent.js";
export type { StoreUnderTest } from "./testing/store-under-test.js";
export {
  assertIdempotentSubscriber,
  assertIgnoresEvent,
  assertSubscribesToEvent,
  type IdempotencyCase,
  idempotentSubscriber,
  ignoresEvent,
  type SubscriberCase,
  type SubscriptionCase,
  subscribesToEvent,
} from "./testing/subscriber-suites.js";
export type { Lazy, SuiteOptions, SuiteRunner } from "./testing/suite.js";
export {
  type TrackedAttempt,
  type TrackedEvent,
  type TrackedSession,
  type TrackedSessionOptions,
  trackedSession,
} from "./testing/tracked-session.js";
export {
  assertTransport,
  describeTransport,
  type TestRunner,
  type TransportContractOptions,
  type TransportUnderTest,
} from "./transports/contract.js";
export {
  type DamageableEngine,
  type DamageContractOptions,
  describeDamagedDeliveries,
} from "./transports/damage-contract.js";
export {
  describeTransportOutages,
  type FragileEngine,
  type OutageContractOptions,
} from "./transports/outage-contract.js";
export { describeTransportProcesses, type ProcessContractOptions } from "./transports/process-contract.js";
export type { OpenedTransport, TransportModule } from "./transports/process-lab.js";
