import { isDeepStrictEqual } from "node:util";
import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkKeys,
  checkObject,
  readGuarded,
} from "./check-options.js";
import { Definition, type EventDefinition } from "./define-event.js";
import {
  checkWorkOptions,
  freezeOptions,
  longestDelayMs,
  NamedSubscriber,
  type RetryVerdict,
  type Subscriber,
  type Urgency,
  type WorkOptions,
  workKeys,
} from "./define-subscriber.js";
import { EventStoreError, InvalidEvent, InvalidSubscriber } from "./errors.js";
import type { DomainEvent, EventHome } from "./event.js";
import { createProjection, type Projection } from "./projection.js";

/** The data of one definition, or of each of several. */
export type PayloadOf<E> = E extends EventDefinition<infer D> ? D : never;

export interface DedupOptions {
  /** `executing`: an equal delivery is dropped until the first one starts; `executed`: until it has finished. */
  readonly until: "executing" | "executed";
  /** What makes two events equal; default: type and data. */
  key?(event: DomainEvent<unknown>): string;
  /** The lock ends after this time even if its delivery vanished. Default 600,000. */
  readonly ttlMs?: number;
  /** Also deduplicate deliveries with a delay. Default false. */
  readonly includeDelayed?: boolean;
  /** `reschedule_once`: after the current run, run exactly once more for all that were dropped. Default `drop`. */
  readonly ifDuplicate?: "drop" | "reschedule_once";
}

export interface SubscribeOptions<D, E = EventDefinition<D>> extends WorkOptions {
  readonly to: E | readonly E[];
  /** Decides at publish whether this event is of interest: synchronous, cheap, on the event alone. */
  readonly if?: (event: DomainEvent<D>) => boolean;
  /** Not handled before this time has passed since the publish. Default 0. */
  readonly delayMs?: number;
  /** Events in one delivery of `publishGroup`. Default 10. */
  readonly groupSize?: number;
  /**
   * Overrides the definition's key: deliveries of one key are handled in order, one at a time. `null`: in any order, also
   * of events that have a key; nothing ever waits for something else then.
   */
  readonly key?: ((event: DomainEvent<D>) => string) | null;
  /**
   * JSON Pointers into the data, `*` for every array item: only these fields and the required ones are stored, logged
   * and delivered for this subscription. Condition, key and dedup see all of them. Default: everything.
   */
  readonly fields?: readonly string[];
  readonly dedup?: DedupOptions;
  /** Waiting deliveries beyond which a publish is refused for this subscription with `EVT_TRANSPORT_FULL`. */
  readonly maxPending?: { readonly count?: number; readonly bytes?: number };
}

/** What a configure function registers into. */
export interface Registry {
  /** Makes a definition known and returns it. @throws {InvalidEvent} `EVT_NOT_A_DEFINITION`, `EVT_TYPE_TAKEN`. */
  register<E extends EventDefinition<unknown>>(definition: E): E;
  /** The definition of exactly this type, or `null`. */
  lookup(type: string): EventDefinition<unknown> | null;
  /**
   * One subscription for each event in `to`. Order of registration is order of dispatch.
   * @throws {InvalidEvent | InvalidSubscriber} naming what is wrong. @throws {EventStoreError} `EVT_REGISTRY_FROZEN`.
   */
  subscribe<E extends EventDefinition<unknown>>(
    subscriber: Subscriber<PayloadOf<E>>,
    options: SubscribeOptions<PayloadOf<E>, E>,
  ): void;
}

/** Registers the events and subscriptions of one module. Synchronous. */
export type Configure = (registry: Registry) => void;

/** The options of a subscription with every default filled in. Frozen. */
export interface EffectiveOptions extends EffectiveWork {
  readonly delayMs: number;
  readonly groupSize: number;
  /** `null`: everything. */
  readonly fields: readonly string[] | null;
  readonly dedup: Readonly<Required<Omit<DedupOptions, "key">>> | null;
  readonly maxPending: { readonly count?: number; readonly bytes?: number } | null;
}

/** Work options of a subscriber with every default filled in. */
export interface EffectiveWork {
  readonly urgency: Urgency;
  readonly timeoutMs: number;
  readonly retry: {
    readonly maxAttempts: number;
    readonly baseMs: number;
    readonly factor: number;
    readonly maxMs: number;
    readonly jitter: number;
    readonly maxAgeMs: number;
    readonly decide: ((error: unknown, attempt: number) => RetryVerdict) | null;
  };
  readonly rateLimit: { readonly max: number; readonly perMs: number } | null;
  readonly concurrency: { readonly perProcess: number; readonly total: number | null; readonly perKey: number };
  readonly batch: {
    readonly maxSize: number;
    readonly maxWaitMs: number;
    readonly maxBytes: number | null;
    readonly joinGroups: boolean;
  } | null;
}

export interface Subscription {
  /** `<subscriber>/<event type>` */
  readonly id: string;
  readonly subscriber: Subscriber<never>;
  readonly event: EventDefinition<unknown>;
  readonly condition: ((event: DomainEvent<never>) => boolean) | null;
  /** False: whatever key an event has, its delivery has none. */
  readonly isOrdered: boolean;
  readonly key: ((event: DomainEvent<never>) => string) | null;
  readonly dedupKey: ((event: DomainEvent<unknown>) => string) | null;
  /** Takes the wanted fields out of the data; `null` when all are wanted. */
  readonly project: Projection | null;
  readonly options: EffectiveOptions;
}

/** What the store works with after configuration: nothing in it changes any more. */
export interface FrozenRegistry {
  readonly definitions: readonly EventDefinition<unknown>[];
  readonly subscribers: readonly RegisteredSubscriber[];
  readonly subscriptions: readonly Subscription[];
  lookup(type: string): EventDefinition<unknown> | null;
  subscription(id: string): Subscription | null;
  /** In dispatch order; empty for an unknown type. */
  subscribersFor(type: string): readonly Subscription[];
}

export interface RegisteredSubscriber {
  readonly subscriber: Subscriber<never>;
  readonly work: EffectiveWork;
  readonly subscriptions: readonly Subscription[];
}

interface Draft {
  readonly subscriber: NamedSubscriber<never>;
  readonly event: EventDefinition<unknown>;
  readonly options: SubscribeOptions<never>;
}

/** Runs every configure function once, in order, and freezes what they registered. */
export function buildRegistry(configure: readonly Configure[], home: EventHome): FrozenRegistry {
  const definitions = new Map<string, Definition<unknown>>();
  const drafts: Draft[] = [];
  const subscribers = new Map<string, NamedSubscriber<never>>();
  const statedWork = new Map<string, WorkOptions>();
  let frozen = false;

  const refuseWhenFrozen = (): void => {
    if (frozen) throw new EventStoreError("EVT_REGISTRY_FROZEN");
  };

  const add = (definition: unknown): Definition<unknown> => {
    if (!Definition.is(definition)) throw new InvalidEvent("EVT_NOT_A_DEFINITION");
    const existing = definitions.get(definition.type);
    if (existing && existing !== definition)
      throw new InvalidEvent("EVT_TYPE_TAKEN", {
        message: `Another definition of event ${definition.type} is registered already`,
        details: { type: definition.type },
      });
    if (!existing) {
      Definition.checkUpcasters(definition);
      Definition.settle(definition, home);
      definitions.set(definition.type, definition);
    }
    return definition;
  };

  const registry: Registry = {
    register(definition) {
      refuseWhenFrozen();
      add(definition);
      return definition;
    },
    lookup: (type) => definitions.get(type) ?? null,
    subscribe(subscriber: unknown, options: SubscribeOptions<never, EventDefinition<unknown>>) {
      refuseWhenFrozen();
      if (!NamedSubscriber.is(subscriber)) throw new InvalidSubscriber("EVT_NOT_A_SUBSCRIBER");
      // Read once: what an option says now holds.
      const { events: to, kept } = readGuarded("options", refuse, () => {
        checkSubscribeOptions(options);
        return { events: [options.to].flat(), kept: freezeOptions({ ...options, to: [] }) };
      });
      const known = subscribers.get(subscriber.name);
      if (known && known !== subscriber)
        throw duplicate(`Another subscriber named ${subscriber.name} is registered already`);
      const events = to.map(add);
      for (const event of events) {
        if (drafts.some((draft) => draft.subscriber === subscriber && draft.event === event))
          throw duplicate(`${subscriber.name} is subscribed to ${event.type} already`);
        drafts.push({ subscriber, event, options: kept });
      }
      subscribers.set(subscriber.name, subscriber);
      statedWork.set(subscriber.name, mergeWork(subscriber, statedWork.get(subscriber.name) ?? {}, kept));
    },
  };

  for (const run of configure) {
    const result: unknown = run(registry);
    if (isThenable(result)) {
      // What it registers later is refused, so its failure has been told here already.
      result.then(undefined, () => {});
      frozen = true;
      throw invalid("configure", "A configure function must be synchronous, but returned a promise");
    }
  }
  frozen = true;

  const works = new Map(
    [...subscribers].map(([name, subscriber]) => [
      name,
      effectiveWork(subscriber, { ...subscriber.options, ...statedWork.get(name) }),
    ]),
  );
  const subscriptions = drafts.flatMap((draft) => {
    const work = works.get(draft.subscriber.name);
    return work ? [toSubscription(draft, work)] : [];
  });
  return freezeRegistry(definitions, subscribers, works, subscriptions);
}

function freezeRegistry(
  definitions: ReadonlyMap<string, EventDefinition<unknown>>,
  subscribers: ReadonlyMap<string, Subscriber<never>>,
  works: ReadonlyMap<string, EffectiveWork>,
  subscriptions: readonly Subscription[],
): FrozenRegistry {
  const byType = new Map<string, readonly Subscription[]>();
  for (const type of definitions.keys())
    byType.set(type, Object.freeze(subscriptions.filter((subscription) => subscription.event.type === type)));
  const byId = new Map(subscriptions.map((subscription) => [subscription.id, subscription]));
  const registered: RegisteredSubscriber[] = [];
  for (const [name, work] of works) {
    const subscriber = subscribers.get(name);
    if (!subscriber) continue;
    const own = Object.freeze(subscriptions.filter((subscription) => subscription.subscriber === subscriber));
    registered.push(Object.freeze({ subscriber, work, subscriptions: own }));
  }
  const nobody: readonly Subscription[] = Object.freeze([]);
  return Object.freeze({
    definitions: Object.freeze([...definitions.values()]),
    subscribers: Object.freeze(registered),
    subscriptions: Object.freeze([...subscriptions]),
    lookup: (type: string) => definitions.get(type) ?? null,
    subscription: (id: string) => byId.get(id) ?? null,
    subscribersFor: (type: string) => byType.get(type) ?? nobody,
  });
}

function toSubscription({ subscriber, event, options }: Draft, work: EffectiveWork): Subscription {
  const { dedup, fields, maxPending } = options;
  return Object.freeze({
    id: `${subscriber.name}/${event.type}`,
    subscriber,
    event,
    condition: options.if ?? null,
    isOrdered: options.key !== null,
    key: options.key ?? null,
    dedupKey: dedup?.key ? (candidate: DomainEvent<unknown>) => dedup.key?.(candidate) ?? "" : null,
    project: fields ? createProjection(fields, event.schema) : null,
    options: Object.freeze({
      ...work,
      delayMs: options.delayMs ?? 0,
      groupSize: options.groupSize ?? 10,
      fields: fields ? Object.freeze([...fields]) : null,
      dedup: dedup
        ? Object.freeze({
            until: dedup.until,
            ttlMs: dedup.ttlMs ?? 600_000,
            includeDelayed: dedup.includeDelayed ?? false,
            ifDuplicate: dedup.ifDuplicate ?? "drop",
          })
        : null,
      maxPending: maxPending ? Object.freeze({ ...maxPending }) : null,
    }),
  });
}

function effectiveWork(subscriber: Subscriber<never>, stated: WorkOptions): EffectiveWork {
  const urgency = stated.urgency ?? "low";
  const { retry, rateLimit, concurrency } = stated;
  const limits = typeof concurrency === "number" ? { perProcess: concurrency } : (concurrency ?? {});
  const { batch, handleBatch } = subscriber.options;
  return Object.freeze({
    urgency,
    timeoutMs: stated.timeoutMs ?? (urgency === "high" ? 10_000 : 300_000),
    retry: Object.freeze({
      maxAttempts: retry?.maxAttempts ?? 25,
      baseMs: retry?.baseMs ?? 1_000,
      factor: retry?.factor ?? 2,
      maxMs: retry?.maxMs ?? 3_600_000,
      jitter: retry?.jitter ?? 0.2,
      maxAgeMs: retry?.maxAgeMs ?? 1_209_600_000,
      decide: retry?.decide?.bind(retry) ?? null,
    }),
    rateLimit: rateLimit ? Object.freeze({ ...rateLimit }) : null,
    concurrency: Object.freeze({
      perProcess: limits.perProcess ?? 8,
      total: limits.total ?? null,
      perKey: limits.perKey ?? 1,
    }),
    batch: handleBatch
      ? Object.freeze({
          maxSize: batch?.maxSize ?? 256,
          maxWaitMs: batch?.maxWaitMs ?? 20,
          maxBytes: batch?.maxBytes ?? null,
          joinGroups: batch?.joinGroups ?? false,
        })
      : null,
  });
}

/** One subscriber is one queue: what its subscriptions state about the work must agree. */
function mergeWork(subscriber: Subscriber<never>, before: WorkOptions, options: WorkOptions): WorkOptions {
  const stated: Record<string, unknown> = {};
  for (const key of workKeys) {
    const earlier = before[key];
    const now = options[key];
    if (earlier !== undefined && now !== undefined && !isDeepStrictEqual(earlier, now))
      throw invalid(key, `Two subscriptions of ${subscriber.name} disagree on \`${key}\``);
    if ((now ?? earlier) !== undefined) stated[key] = now ?? earlier;
  }
  return stated;
}

const subscribeKeys = ["to", "if", "delayMs", "groupSize", "key", "fields", "dedup", "maxPending", ...workKeys];

function checkSubscribeOptions(options: SubscribeOptions<never, unknown>): void {
  checkObject(options, "options", refuse);
  checkKeys(options, subscribeKeys, "", refuse);
  if (Array.isArray(options.to) && options.to.length === 0) refuse("to", "`to` must name at least one event");
  checkFunction(options.if, "if", refuse);
  if (isAsyncFunction(options.if)) throw new InvalidSubscriber("EVT_CONDITION_ASYNC", { details: { option: "if" } });
  if (options.key !== null) checkFunction(options.key, "key", refuse);
  checkInteger(options.delayMs, 0, longestDelayMs, "delayMs", refuse);
  checkInteger(options.groupSize, 1, 1_000, "groupSize", refuse);
  checkWorkOptions(options, refuse);
  if (options.fields !== undefined) checkFields(options.fields);
  if (options.dedup !== undefined) checkDedup(options.dedup);
  if (options.maxPending !== undefined) {
    checkObject(options.maxPending, "maxPending", refuse);
    checkKeys(options.maxPending, ["count", "bytes"], "maxPending.", refuse);
    checkInteger(options.maxPending.count, 1, Number.MAX_SAFE_INTEGER, "maxPending.count", refuse);
    checkInteger(options.maxPending.bytes, 1, Number.MAX_SAFE_INTEGER, "maxPending.bytes", refuse);
  }
}

function checkFields(fields: unknown): void {
  if (!Array.isArray(fields)) refuse("fields", "`fields` must be a list of JSON Pointers");
  for (const pointer of fields) {
    if (typeof pointer !== "string" || !/^(\/([^~]|~[01])*)+$/.test(pointer))
      refuse("fields", "`fields` must hold JSON Pointers, `/author/name` for example");
  }
}

function checkDedup(dedup: DedupOptions): void {
  checkObject(dedup, "dedup", refuse);
  checkKeys(dedup, ["until", "key", "ttlMs", "includeDelayed", "ifDuplicate"], "dedup.", refuse);
  if (dedup.until === undefined) refuse("dedup.until", "`dedup.until` must be executing or executed");
  checkChoice(dedup.until, ["executing", "executed"], "dedup.until", refuse);
  checkFunction(dedup.key, "dedup.key", refuse);
  checkInteger(dedup.ttlMs, 1, longestDelayMs, "dedup.ttlMs", refuse);
  checkBoolean(dedup.includeDelayed, "dedup.includeDelayed", refuse);
  checkChoice(dedup.ifDuplicate, ["drop", "reschedule_once"], "dedup.ifDuplicate", refuse);
}

function isAsyncFunction(value: unknown): boolean {
  return typeof value === "function" && Object.prototype.toString.call(value) === "[object AsyncFunction]";
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function refuse(option: string, message: string, cause?: unknown): never {
  throw invalid(option, message, cause);
}

function invalid(option: string, message: string, cause?: unknown): InvalidSubscriber {
  return new InvalidSubscriber("EVT_SUBSCRIPTION_INVALID", { message, details: { option }, cause });
}

function duplicate(message: string): InvalidSubscriber {
  return new InvalidSubscriber("EVT_DUPLICATE_SUBSCRIPTION", { message });
}
