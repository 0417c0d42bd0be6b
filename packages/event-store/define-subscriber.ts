import type { Logger } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkKeys,
  checkNumber,
  checkObject,
  type Refuse,
  readGuarded,
} from "./check-options.js";
import { isDottedName, shownName } from "./define-event.js";
import { InvalidSubscriber, NotImplemented } from "./errors.js";
import type { DomainEvent } from "./event.js";

/** How soon work should start: `high` within 10 s, `low` within 60 s, `throttled` when nothing else waits. */
export type Urgency = "high" | "low" | "throttled";

/** What becomes of a failed attempt. `counted: false` leaves attempts and age alone: an engine is away, not the work bad. */
export type RetryVerdict =
  | "retry"
  | "discard"
  | "dead"
  | "pause"
  | { readonly delayMs: number; readonly counted?: boolean };

export interface RetryOptions {
  /** Default 25. */
  readonly maxAttempts?: number;
  /** Delay after the first failure. Default 1,000. */
  readonly baseMs?: number;
  /** Default 2. */
  readonly factor?: number;
  /** Longest delay before jitter. Default 3,600,000. */
  readonly maxMs?: number;
  /** Share of the delay that may be added at random, 0 to 1. Default 0.2. */
  readonly jitter?: number;
  /** Older deliveries are given up. Default 1,209,600,000 (14 days). */
  readonly maxAgeMs?: number;
  /** Decides for one error; a throwing `decide` counts as `retry`. */
  decide?(error: unknown, attempt: number): RetryVerdict;
}

export interface ConcurrencyOptions {
  /** Handler calls at once in one process. Default 8. */
  readonly perProcess?: number;
  /** Deliveries at once over all processes of a database. Default: no limit. */
  readonly total?: number;
  /** Deliveries of one key at once; above 1 their order is no longer kept. Default 1. */
  readonly perKey?: number;
}

export interface WorkOptions {
  /** Default `low`. */
  readonly urgency?: Urgency;
  /** When `context.signal` is aborted. Default 10,000 for `high`, else 300,000. */
  readonly timeoutMs?: number;
  readonly retry?: RetryOptions;
  /** At most `max` deliveries per `perMs`, over all processes of a database. */
  readonly rateLimit?: { readonly max: number; readonly perMs: number };
  /** A number stands for `perProcess`. */
  readonly concurrency?: number | ConcurrencyOptions;
}

/** Items of a batch that failed; all others are done. */
export interface BatchResult {
  readonly failed: readonly { readonly index: number; readonly error: unknown }[];
}

export interface HandlerContext {
  /** Aborted after `timeoutMs`, when the lease was lost, and shortly before a stop gives up waiting. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly attempt: number;
  readonly deliveryId: string;
  readonly log: Logger;
  /** Counts this run as noise: the event was of no interest after all. */
  ignored(reason: string): void;
  /**
   * Runs `work` in a database transaction that also remembers this subscription and event; when it was remembered
   * before, resolves with `undefined` without running.
   */
  once<T, Tables = unknown>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T | undefined>;
  /** In a batch: runs `work` in the context of one event, so that what it publishes names that event as its cause. */
  forEvent<T>(event: DomainEvent<unknown>, work: () => Promise<T>): Promise<T>;
}

export interface SubscriberOptions<D> extends WorkOptions {
  /** Called for each event. At least once: also again after a crash or a failure. */
  readonly handle?: (event: DomainEvent<D>, context: HandlerContext) => Promise<void>;
  /** Called with many events at once. Throwing fails all; returning `failed` fails those. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement resolves with void
  readonly handleBatch?: (events: readonly DomainEvent<D>[], context: HandlerContext) => Promise<void | BatchResult>;
  readonly batch?: {
    /** Default 256. */
    readonly maxSize?: number;
    /** How long a batch may wait for more. Default 20. */
    readonly maxWaitMs?: number;
    /** Bytes of encoded events in one call, unless a single one is larger. Default: no limit. */
    readonly maxBytes?: number;
    /**
     * Whether groups share a call with other deliveries up to the limits, as for a writer to whom it is all the same how
     * events were published. Default: each group is a call of its own.
     */
    readonly joinGroups?: boolean;
  };
}

/** A named worker. Made once, by `defineSubscriber`; frozen. */
export interface Subscriber<D> {
  readonly name: string;
  /** First segment of the name: the module that reacts. */
  readonly context: string;
  /** Handlers must be: an event may be delivered again. */
  readonly idempotent: true;
  readonly options: SubscriberOptions<D>;
}

/**
 * Defines a subscriber.
 * @throws {InvalidSubscriber} `EVT_SUBSCRIPTION_INVALID` for a bad name or option, or both handlers.
 * @throws {NotImplemented} without a handler.
 */
export function defineSubscriber<D>(name: string, options: SubscriberOptions<D>): Subscriber<D> {
  if (!isDottedName(name))
    refuse("name", `\`${shownName(name)}\` is not a subscriber name: two or three lower-case words joined by dots`);
  return readGuarded("options", refuse, () => {
    checkSubscriberOptions(name, options);
    return new NamedSubscriber(name, options);
  });
}

function checkSubscriberOptions<D>(name: string, options: SubscriberOptions<D>): void {
  checkObject(options, "options", refuse);
  checkKeys(options, ["handle", "handleBatch", "batch", ...workKeys], "", refuse);
  checkFunction(options.handle, "handle", refuse);
  checkFunction(options.handleBatch, "handleBatch", refuse);
  if (!options.handle && !options.handleBatch)
    throw new NotImplemented({ message: `Subscriber ${name} has neither handle nor handleBatch` });
  if (options.handle && options.handleBatch)
    refuse("handleBatch", `Subscriber ${name} has both \`handle\` and \`handleBatch\`; give one of them`);
  if (options.batch !== undefined) {
    checkObject(options.batch, "batch", refuse);
    checkKeys(options.batch, ["maxSize", "maxWaitMs", "maxBytes", "joinGroups"], "batch.", refuse);
    if (!options.handleBatch) refuse("batch", "`batch` needs `handleBatch`");
    checkInteger(options.batch.maxSize, 1, 1_000, "batch.maxSize", refuse);
    checkInteger(options.batch.maxWaitMs, 0, 60_000, "batch.maxWaitMs", refuse);
    checkInteger(options.batch.maxBytes, 1, Number.MAX_SAFE_INTEGER, "batch.maxBytes", refuse);
    checkBoolean(options.batch.joinGroups, "batch.joinGroups", refuse);
  }
  checkWorkOptions(options, refuse);
}

export class NamedSubscriber<D> implements Subscriber<D> {
  readonly name: string;
  readonly context: string;
  readonly idempotent = true;
  readonly options: SubscriberOptions<D>;
  readonly #made = true;

  constructor(name: string, options: SubscriberOptions<D>) {
    this.name = name;
    this.context = name.slice(0, name.indexOf("."));
    this.options = freezeOptions(options);
    Object.freeze(this);
  }

  static is(value: unknown): value is NamedSubscriber<never> {
    return typeof value === "object" && value !== null && #made in value && value.#made;
  }
}

/** A frozen copy of options and of the option objects in it, so that nobody changes them later. */
export function freezeOptions<O extends object>(options: O): O {
  const copy = { ...options };
  for (const [key, value] of Object.entries(copy)) {
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      Object.assign(copy, { [key]: Object.freeze({ ...value }) });
  }
  return Object.freeze(copy);
}

export const workKeys = ["urgency", "timeoutMs", "retry", "rateLimit", "concurrency"] as const;

export function checkWorkOptions(options: WorkOptions, refuse: Refuse): void {
  checkChoice(options.urgency, ["high", "low", "throttled"], "urgency", refuse);
  checkInteger(options.timeoutMs, 1, 86_400_000, "timeoutMs", refuse);
  if (options.retry !== undefined) checkRetry(options.retry, refuse);
  if (options.rateLimit !== undefined) {
    checkObject(options.rateLimit, "rateLimit", refuse);
    checkKeys(options.rateLimit, ["max", "perMs"], "rateLimit.", refuse);
    checkInteger(options.rateLimit.max, 1, Number.MAX_SAFE_INTEGER, "rateLimit.max", refuse);
    checkInteger(options.rateLimit.perMs, 1, Number.MAX_SAFE_INTEGER, "rateLimit.perMs", refuse);
    if (options.rateLimit.max === undefined || options.rateLimit.perMs === undefined)
      refuse("rateLimit", "`rateLimit` needs `max` and `perMs`");
  }
  if (typeof options.concurrency === "object" && options.concurrency !== null) {
    checkKeys(options.concurrency, ["perProcess", "total", "perKey"], "concurrency.", refuse);
    for (const name of ["perProcess", "total", "perKey"] as const)
      checkInteger(options.concurrency[name], 1, 10_000, `concurrency.${name}`, refuse);
  } else checkInteger(options.concurrency, 1, 10_000, "concurrency", refuse);
}

function checkRetry(retry: RetryOptions, refuse: Refuse): void {
  checkObject(retry, "retry", refuse);
  checkKeys(retry, ["maxAttempts", "baseMs", "factor", "maxMs", "jitter", "maxAgeMs", "decide"], "retry.", refuse);
  checkInteger(retry.maxAttempts, 1, 100, "retry.maxAttempts", refuse);
  checkInteger(retry.baseMs, 0, longestDelayMs, "retry.baseMs", refuse);
  checkNumber(retry.factor, 1, 1_000, "retry.factor", refuse);
  checkInteger(retry.maxMs, 0, longestDelayMs, "retry.maxMs", refuse);
  checkNumber(retry.jitter, 0, 1, "retry.jitter", refuse);
  checkInteger(retry.maxAgeMs, 1, Number.MAX_SAFE_INTEGER, "retry.maxAgeMs", refuse);
  checkFunction(retry.decide, "retry.decide", refuse);
}

/** One year. */
export const longestDelayMs = 31_536_000_000;

function refuse(option: string, message: string, cause?: unknown): never {
  throw new InvalidSubscriber("EVT_SUBSCRIPTION_INVALID", { message, details: { option }, cause });
}
