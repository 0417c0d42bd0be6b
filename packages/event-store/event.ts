import type { DeepReadonly } from "./data-type.js";
import type { EventDefinition } from "./define-event.js";

/** Looks up the user or organization that an event names. */
export type Resolver = (id: string) => unknown;

/** A place in a trace, in the form of W3C Trace Context. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate: string | null;
}

export type ExtensionValue = string | number | boolean;

/**
 * Something that happened. Frozen at every depth; made only by a definition's `create` or by decoding.
 */
export interface DomainEvent<D> {
  readonly id: string;
  /** Who published it: the event store's `source` unless `CreateOptions` gave another. */
  readonly source: string;
  readonly type: string;
  readonly version: number;
  readonly subject: string;
  /** RFC 3339, UTC, with milliseconds. */
  readonly time: string;
  readonly data: DeepReadonly<D>;
  readonly correlationId: string;
  /** Id of the event whose handling published this one. */
  readonly causationId: string | null;
  readonly rootCaller: string | null;
  readonly traceparent: string | null;
  /** Deliveries with one key are handled in order, one at a time. */
  readonly key: string | null;
  readonly sequence: string | null;
  readonly extensions: Readonly<Record<string, ExtensionValue>>;
  /** The user that caused the event, looked up once; `null` without an id or a resolver. */
  user(): Promise<unknown | null>;
  organization(): Promise<unknown | null>;
}

/** Everything that the envelope carries, with `undefined` and empty records where something is absent. */
export interface EventAttributes<D> {
  readonly id: string;
  readonly source: string | undefined;
  readonly type: string;
  readonly version: number;
  readonly subject: string;
  readonly time: string;
  readonly data: DeepReadonly<D>;
  readonly correlationId: string;
  readonly causationId: string | null;
  readonly rootCaller: string | null;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  readonly key: string | null;
  readonly sequence: string | null;
  readonly extensions: Readonly<Record<string, ExtensionValue>>;
  /** `meta.*` of the publisher without the caller id. */
  readonly meta: Readonly<Record<string, string>> | undefined;
  readonly userId: string | undefined;
  readonly userName: string | undefined;
  readonly actorId: string | undefined;
  readonly organizationId: string | undefined;
}

export const noExtensions: Readonly<Record<string, ExtensionValue>> = Object.freeze({});

/** What only the envelope and the runtime read. */
export interface HiddenAttributes {
  readonly source: string | undefined;
  readonly tracestate: string | null;
  readonly meta: Readonly<Record<string, string>> | undefined;
  readonly userId: string | undefined;
  readonly userName: string | undefined;
  readonly actorId: string | undefined;
  readonly organizationId: string | undefined;
}

/** What an event learns from the store that registered its definition, publishes or decodes it. */
export interface EventHome {
  readonly source: string;
  readonly nowMs: () => number;
  readonly user: Resolver | undefined;
  readonly organization: Resolver | undefined;
}

export class EventInstance<D> implements DomainEvent<D> {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly subject: string;
  readonly time: string;
  readonly data: DeepReadonly<D>;
  readonly correlationId: string;
  readonly causationId: string | null;
  readonly rootCaller: string | null;
  readonly traceparent: string | null;
  readonly key: string | null;
  readonly sequence: string | null;
  readonly extensions: Readonly<Record<string, ExtensionValue>>;
  readonly #hidden: HiddenAttributes;
  readonly #definition: EventDefinition<unknown>;
  #home: EventHome | undefined;
  #user: Promise<unknown> | undefined;
  #organization: Promise<unknown> | undefined;
  /** JSON of the data, kept between the deliveries of one publish. */
  #dataJson: string | undefined;
  /** Where the publish stands in a trace: written into the envelope in place of the event's own. */
  #publishTrace: TraceContext | undefined;

  constructor(attributes: EventAttributes<D>, definition: EventDefinition<unknown>, home: EventHome | undefined) {
    this.id = attributes.id;
    this.type = attributes.type;
    this.version = attributes.version;
    this.subject = attributes.subject;
    this.time = attributes.time;
    this.data = attributes.data;
    this.correlationId = attributes.correlationId;
    this.causationId = attributes.causationId;
    this.rootCaller = attributes.rootCaller;
    this.traceparent = attributes.traceparent;
    this.key = attributes.key;
    this.sequence = attributes.sequence;
    this.extensions = attributes.extensions;
    this.#hidden = hiddenOf(attributes);
    this.#definition = definition;
    this.#home = home;
    Object.freeze(this);
  }

  get source(): string {
    return this.#hidden.source ?? this.#home?.source ?? "";
  }

  user(): Promise<unknown | null> {
    this.#user ??= resolve(this.#hidden.userId, this.#home?.user);
    return this.#user;
  }

  organization(): Promise<unknown | null> {
    this.#organization ??= resolve(this.#hidden.organizationId, this.#home?.organization);
    return this.#organization;
  }

  static is(value: unknown): value is EventInstance<unknown> {
    return typeof value === "object" && value !== null && #hidden in value;
  }

  static settle(event: EventInstance<unknown>, home: EventHome): void {
    event.#home = home;
  }

  static definition(event: EventInstance<unknown>): EventDefinition<unknown> {
    return event.#definition;
  }

  static hidden(event: EventInstance<unknown>): HiddenAttributes {
    return event.#hidden;
  }

  static publishTrace(event: EventInstance<unknown>): TraceContext | undefined {
    return event.#publishTrace;
  }

  static setPublishTrace(event: EventInstance<unknown>, trace: TraceContext): void {
    event.#publishTrace = trace;
  }

  /** The same event with a part of its data, for one who needs no more. */
  static narrowed(event: EventInstance<unknown>, data: unknown): EventInstance<unknown> {
    const attributes = { ...event, ...event.#hidden, data: data as DeepReadonly<unknown> };
    const narrowed = new EventInstance<unknown>(attributes, event.#definition, event.#home);
    narrowed.#publishTrace = event.#publishTrace;
    return narrowed;
  }

  static dataJson(event: EventInstance<unknown>): string {
    event.#dataJson ??= JSON.stringify(event.data);
    return event.#dataJson;
  }

  /** As `dataJson`, without keeping what is not kept. */
  static dataJsonNow(event: EventInstance<unknown>): string {
    return event.#dataJson ?? JSON.stringify(event.data);
  }

  static forgetDataJson(event: EventInstance<unknown>): void {
    event.#dataJson = undefined;
  }
}

const nothingHidden: HiddenAttributes = Object.freeze({
  source: undefined,
  tracestate: null,
  meta: undefined,
  userId: undefined,
  userName: undefined,
  actorId: undefined,
  organizationId: undefined,
});

/** Most events have none of these, and share the record that says so. */
function hiddenOf(attributes: HiddenAttributes): HiddenAttributes {
  const { source, tracestate, meta, userId, userName, actorId, organizationId } = attributes;
  const known = source ?? tracestate ?? meta ?? userId ?? userName ?? actorId ?? organizationId;
  return known === undefined || known === null
    ? nothingHidden
    : { source, tracestate, meta, userId, userName, actorId, organizationId };
}

async function resolve(id: string | undefined, resolver: Resolver | undefined): Promise<unknown | null> {
  if (id === undefined || resolver === undefined) return null;
  return (await resolver(id)) ?? null;
}
