import { defineErrors, type ErrorEntry, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

const eventEntries = {
  EVT_TYPE_INVALID: {
    message: "An event type is two or three lower-case words joined by dots",
    remedy: "Name the event `context.thing_happened`, at most 120 characters.",
  },
  EVT_SCHEMA_INVALID: {
    message: "The schema of the event definition is not valid",
    remedy:
      "Correct the schema; `details.errors` points at the places. Dialects: draft-07 and 2020-12, local $ref only.",
  },
  EVT_DATA_NOT_OBJECT: {
    message: "Event data must be an object",
    remedy: "Wrap the value in an object: `{ pipeline_id: 7 }` instead of `7`.",
  },
  EVT_DATA_NOT_JSON: {
    message: "Event data holds a value that JSON cannot carry",
    remedy: "Convert it first, a Date to its ISO text for example; `details.pointer` names the place.",
  },
  EVT_DATA_INVALID: {
    message: "Event data does not match the schema of its definition",
    remedy: "`details.errors` lists the places. Correct the publisher, or the schema by a compatible change.",
  },
  EVT_ATTRIBUTE_INVALID: {
    message: "An attribute of the event is not valid",
    remedy: "`details.attribute` names it; the message says what it may hold.",
  },
  EVT_ENVELOPE_INVALID: {
    message: "The encoded event is not a CloudEvents 1.0 envelope of this store",
    remedy: "`details.attribute` names the missing or ill-typed attribute.",
  },
  EVT_NOT_AN_EVENT: {
    message: "Only events made by a definition's `create` or by `decodeEvent` can be published",
    remedy: "Call `definition.create(data)` and publish what it returns.",
  },
  EVT_NOT_A_DEFINITION: {
    message: "An event definition made by `defineEvent` is expected here",
    remedy: "Pass the definition itself, not its type name or a copy.",
  },
  EVT_GROUP_MIXED: {
    message: "A group holds events of one definition only",
    remedy: "Publish one group for each definition.",
  },
  EVT_TOO_LARGE: {
    message: "The event is larger than allowed",
    status: 413,
    remedy: "Publish a reference instead of the data, configure a blob store, or raise the limit.",
  },
  EVT_UNKNOWN_TYPE: {
    message: "No definition is registered for this event type",
    status: 404,
    remedy: "Register the definition in a configure function of the store.",
  },
  EVT_UNSUPPORTED_PAYLOAD: {
    message: "The payload is not JSON",
    remedy: "Send `datacontenttype: application/json` with `data`; binary payloads are not supported.",
  },
  EVT_TYPE_TAKEN: {
    message: "Another definition with this event type is registered already",
    remedy: "Import the existing definition, or choose another type.",
  },
} as const satisfies Record<string, ErrorEntry>;

const subscriberEntries = {
  EVT_NOT_A_SUBSCRIBER: {
    message: "A subscriber made by `defineSubscriber` is expected here",
    remedy: "Pass what `defineSubscriber` returned.",
  },
  EVT_SUBSCRIPTION_INVALID: {
    message: "An option of the subscription or subscriber is not valid",
    remedy: "`details.option` names it; the message says what it may be.",
  },
  EVT_DUPLICATE_SUBSCRIPTION: {
    message: "The subscriber is subscribed to this event already, or its name is taken",
    remedy: "Subscribe once for each event, and name each subscriber once.",
  },
  EVT_CONDITION_ASYNC: {
    message: "A condition is synchronous",
    remedy: "Decide on the event's data alone; move look-ups into the handler.",
  },
  EVT_BATCH_RESULT_INVALID: {
    message: "`handleBatch` returned indexes that do not fit its events",
    remedy: "Name each failed event once, by its index in the list that the handler was given.",
  },
} as const satisfies Record<string, ErrorEntry>;

const unimplementedEntries = {
  EVT_NOT_IMPLEMENTED: {
    message: "Something that the definition needs was left out",
    remedy: "Give the event a `schema`, the subscriber a `handle` or `handleBatch`.",
  },
} as const satisfies Record<string, ErrorEntry>;

const storeEntries = {
  EVT_REGISTRY_FROZEN: {
    message: "Events and subscriptions are registered while the store is created, not later",
    remedy: "Move the call into a configure function.",
  },
  EVT_DISPATCH_FAILED: {
    message: "A condition, key or deduplication function failed",
    remedy: "The other subscriptions got the event; `errors` holds the causes, the dead letters can be replayed.",
  },
  EVT_IN_TRANSACTION: {
    message: "An event was published inside a database transaction without being part of it",
    remedy: "Pass `{ transaction }`, or publish after the commit.",
  },
  EVT_TRANSACTION_CLOSED: {
    message: "The transaction has ended or was never begun",
    remedy: "Await the publish inside the transaction's callback.",
  },
  EVT_TRANSACTION_FOREIGN: {
    message: "The transaction belongs to another database than the event store's",
    remedy: "Use a transaction of the database that the store was created with.",
  },
  EVT_CLOSED: {
    message: "The event store is stopped",
    status: 503,
    remedy: "The process is stopping; repeat the call against a running one.",
  },
  EVT_OVERLOADED: {
    message: "Too many publishes wait in this process",
    retryable: true,
    status: 503,
    remedy: "Publish again later, await publishes before making more, or raise `maxPendingPublishes`.",
  },
  EVT_TRANSPORT_UNAVAILABLE: {
    message: "The transport does not take deliveries",
    retryable: true,
    status: 503,
    remedy: "Check the transport's engine. The same event may be published again: nobody gets it twice.",
  },
  EVT_TRANSPORT_FULL: {
    message: "The transport or the queue of a subscription is full",
    retryable: true,
    status: 503,
    remedy: "Publish again once subscribers have caught up. The same event may be published again.",
  },
  EVT_TRANSPORT_UNSUPPORTED: {
    message: "The transport's engine lacks something that its promises need",
    remedy: "The message names the version or setting that is needed.",
  },
  EVT_HANDLER_TIMEOUT: {
    message: "The handler did not finish in time",
    retryable: true,
    remedy: "Raise `timeoutMs`, or let the handler end when `context.signal` is aborted.",
  },
  EVT_DEAD_LETTER_STATE: {
    message: "The dead letter is not in a state that allows this",
    status: 409,
    remedy: "Only letters in state `dead` can be replayed or discarded.",
  },
  EVT_REPLAY_LIMIT: {
    message: "The dead letter was replayed as often as allowed",
    status: 409,
    remedy: "Correct the cause first, then replay with `force`.",
  },
  EVT_FILTER_EMPTY: {
    message: "The filter names nothing",
    status: 400,
    remedy: "Give ids or at least one condition.",
  },
  EVT_FILTER_INVALID: {
    message: "The filter has an unknown key or a bad value",
    status: 400,
    remedy: "`details.key` names it.",
  },
  EVT_SESSION_TIMEOUT: {
    message: "Deliveries were still unsettled when the session's time was over",
    remedy: "`details.pending` names them; raise `timeoutMs` or look at their handlers.",
  },
  EVT_CONFIG_INVALID: {
    message: "An option of the event store is not valid",
    remedy: "`details.option` names it; the message says what it may be.",
  },
} as const satisfies Record<string, ErrorEntry>;

/** All codes of the event store, its adapters and its test kit. */
export const eventStoreErrors = defineErrors("Event store", {
  ...eventEntries,
  ...subscriberEntries,
  ...unimplementedEntries,
  ...storeEntries,
});

export type EventStoreErrorCode = keyof typeof eventStoreErrors.entries;
export type InvalidEventCode = keyof typeof eventEntries;
export type InvalidSubscriberCode = keyof typeof subscriberEntries;

/** Base of every error that the event store throws. */
export class EventStoreError extends SignalboxError {
  declare readonly code: EventStoreErrorCode;
  /** The single failures behind `EVT_DISPATCH_FAILED`; empty otherwise. */
  readonly errors: readonly unknown[];

  constructor(code: EventStoreErrorCode, options: ErrorOptions & { readonly errors?: readonly unknown[] } = {}) {
    super(code, eventStoreErrors.entries[code], options);
    this.errors = options.errors ?? [];
  }
}

/** Something is wrong with an event or its definition. */
export class InvalidEvent extends EventStoreError {
  declare readonly code: InvalidEventCode;

  constructor(code: InvalidEventCode, options: ErrorOptions = {}) {
    super(code, options);
  }
}

/** Something is wrong with a subscriber, its subscription or its condition. */
export class InvalidSubscriber extends EventStoreError {
  declare readonly code: InvalidSubscriberCode;

  constructor(code: InvalidSubscriberCode, options: ErrorOptions = {}) {
    super(code, options);
  }
}

/** A definition or subscriber lacks a part that is now needed. */
export class NotImplemented extends EventStoreError {
  declare readonly code: "EVT_NOT_IMPLEMENTED";

  constructor(options: ErrorOptions = {}) {
    super("EVT_NOT_IMPLEMENTED", options);
  }
}
