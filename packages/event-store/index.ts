export { correlationTagger } from "@signalbox/kernel";
export type { CreateOptions } from "./create-options.js";
export type { DataOf, DeepReadonly, JsonObject, JsonSchema, JsonValue, SchemaInput, TypedSchema } from "./data-type.js";
export type { DeadLetterPage, DeadLetterSelection, DeadLetters } from "./dead-letters.js";
export {
  type CompatibilityMode,
  type Deprecation,
  defineEvent,
  type EventDefinition,
  type EventOptions,
  type LogMode,
  type Upcast,
} from "./define-event.js";
export {
  type BatchResult,
  type ConcurrencyOptions,
  defineSubscriber,
  type HandlerContext,
  type RetryOptions,
  type RetryVerdict,
  type Subscriber,
  type SubscriberOptions,
  type Urgency,
  type WorkOptions,
} from "./define-subscriber.js";
export type { StoreDescription } from "./describe.js";
export type { Decision } from "./dispatch.js";
export type {
  DispatchHistory,
  DispatchLog,
  DispatchRecord,
  HandlingRecord,
  LoggedEvents,
  SettlementKind,
} from "./dispatch-log.js";
export { type DefinitionLookup, decodeEvent, type EnvelopeFormat, encodeEvent } from "./envelope.js";
export {
  EventStoreError,
  type EventStoreErrorCode,
  eventStoreErrors,
  InvalidEvent,
  type InvalidEventCode,
  InvalidSubscriber,
  type InvalidSubscriberCode,
  NotImplemented,
} from "./errors.js";
export type { DomainEvent, ExtensionValue, Resolver, TraceContext } from "./event.js";
export { createEventStore, type EventStore } from "./event-store.js";
export { defaultLimits, type Limits } from "./limits.js";
export { createMemoryDispatchLog } from "./memory-dispatch-log.js";
export {
  fromProtoMessage,
  type ProtoAttribute,
  type ProtoMessage,
  type ProtoTimestamp,
  toProtoMessage,
} from "./proto-message.js";
export type { PublishOptions } from "./publish-calls.js";
export type { PublishReceipt, ReceiptDecision } from "./publish-outcome.js";
export type { BlockedKey, QueueState, Queues } from "./queues.js";
export type {
  AttemptRecord,
  DeadLetter,
  DeadLetterCursor,
  DeadLetterFilter,
  DeadLetterGroup,
  DeadLetterState,
  DeadLetterSum,
  DeadLetterTally,
  DeadReason,
  ErrorRecord,
} from "./records/records.js";
export { redactData } from "./redact.js";
export type {
  Configure,
  DedupOptions,
  EffectiveOptions,
  PayloadOf,
  Registry,
  SubscribeOptions,
  Subscription,
} from "./registry.js";
export type { BegunLetter, ReplayFailure, ReplayOptions, ReplayPreview, ReplayResult } from "./replay.js";
export type { EventStoreOptions } from "./store-options.js";
export type { PublishSpan, TracedAttempt, Tracing } from "./tracing.js";
export { createMemoryTransport, type MemoryTransport, type MemoryTransportOptions } from "./transports/memory.js";
export { eventStoreMigrations } from "./transports/sql/migrations.js";
export { createSqlTransport, type SqlTransportOptions } from "./transports/sql/transport.js";
export type * from "./transports/transport.js";
export type {
  DeliveryOutcome,
  DispatchExplanation,
  EventBranch,
  ExplainedEvent,
  QueuePlace,
  SubscriptionExplanation,
} from "./why.js";
