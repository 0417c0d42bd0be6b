export type { CreateOptions } from "./create-options.js";
export type { DataOf, DeepReadonly, JsonObject, JsonSchema, JsonValue, SchemaInput, TypedSchema } from "./data-type.js";
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
export type { DomainEvent, ExtensionValue, Resolver } from "./event.js";
export type {
  Configure,
  DedupOptions,
  EffectiveOptions,
  PayloadOf,
  Registry,
  SubscribeOptions,
  Subscription,
} from "./registry.js";
export { createMemoryTransport, type MemoryTransport, type MemoryTransportOptions } from "./transports/memory.js";
export type * from "./transports/transport.js";
