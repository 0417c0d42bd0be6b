import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.js";
import { isKey } from "./create-options.js";
import { Definition } from "./define-event.js";
import { InvalidSubscriber } from "./errors.js";
import type { EventInstance } from "./event.js";
import { isThenable, type Subscription } from "./registry.js";
import type { DedupLock } from "./transports/transport.js";

/** What a publish concluded for one event and one subscription. */
export type Decision =
  | "dispatched"
  | "scheduled"
  | "condition_false"
  | "condition_error"
  | "deduplicated"
  | "duplicate"
  | "flag_off"
  | "transport_error"
  | "no_subscribers";

/** What a subscription wants of one event, before any transport has seen it. */
export type Verdict = Acceptance | { readonly kind: "refuse" } | { readonly kind: "fail"; readonly error: unknown };

export interface Acceptance {
  readonly kind: "accept";
  readonly key: string | null;
  readonly dedup: DedupLock | null;
}

/** A delivery that was decided on. Its events share one key. */
export interface PlannedDelivery {
  readonly id: string;
  readonly subscription: Subscription;
  readonly events: readonly EventInstance<unknown>[];
  /** Of a group: the places of its events among those that were published together. */
  readonly places: readonly number[] | null;
  readonly key: string | null;
  readonly dedup: DedupLock | null;
  /** 0: at once. */
  readonly dueAtMs: number;
}

const refused: Verdict = Object.freeze({ kind: "refuse" });
const acceptedPlainly: Verdict = Object.freeze({ kind: "accept", key: null, dedup: null });

/** Runs condition, key and deduplication function of one subscription, each at most once. Never throws. */
export function judge(subscription: Subscription, event: EventInstance<unknown>): Verdict {
  const { condition } = subscription;
  try {
    if (condition) {
      // The registry has seen to it that the definition's data is what the condition was typed for.
      const answer: unknown = condition(event as EventInstance<never>);
      if (isThenable(answer)) return { kind: "fail", error: refusePromise(answer) };
      if (!answer) return refused;
    }
    const key = keyOf(subscription, event);
    const dedup = dedupLock(subscription, event);
    return key === null && dedup === null ? acceptedPlainly : { kind: "accept", key, dedup };
  } catch (error) {
    return { kind: "fail", error };
  }
}

function refusePromise(promise: PromiseLike<unknown>): InvalidSubscriber {
  promise.then(undefined, () => {});
  return new InvalidSubscriber("EVT_CONDITION_ASYNC", { message: "A condition returned a promise" });
}

function keyOf(subscription: Subscription, event: EventInstance<unknown>): string | null {
  if (!subscription.isOrdered) return null;
  let key: unknown;
  if (subscription.key) key = subscription.key(event as EventInstance<never>);
  else if (event.key !== null) return event.key;
  else if (Definition.is(subscription.event) && Definition.hasKey(subscription.event))
    key = Definition.keyOf(subscription.event, event.data);
  else return null;
  if (isKey(key)) return key;
  throw new TypeError(`The key of ${subscription.id} must be a text of 1 to 256 characters`);
}

function dedupLock(subscription: Subscription, event: EventInstance<unknown>): DedupLock | null {
  const { dedup, delayMs } = subscription.options;
  if (!dedup || (delayMs > 0 && !dedup.includeDelayed)) return null;
  let identity: string;
  if (subscription.dedupKey) {
    const key: unknown = subscription.dedupKey(event);
    if (typeof key !== "string" || key === "")
      throw new TypeError(`The dedup key of ${subscription.id} must be a text`);
    identity = `k${key}`;
  } else identity = `d${event.type}\n${canonicalJson(event.data)}`;
  const lock = createHash("sha256").update(`${subscription.id}\n${identity}`).digest("hex");
  return { lock, until: dedup.until, ttlMs: dedup.ttlMs, ifDuplicate: dedup.ifDuplicate };
}

export interface GroupLimits {
  /** Groups that are due at the same time. */
  readonly groupBatchSize: number;
  readonly groupBatchGapMs: number;
  readonly groupBaseDelayMs: number;
}

/** Events that one subscription accepted, in order. */
export interface Accepted {
  readonly event: EventInstance<unknown>;
  readonly place: number;
  readonly key: string | null;
  readonly dedup: DedupLock | null;
}

export function planSingle(
  subscription: Subscription,
  event: EventInstance<unknown>,
  { key, dedup }: Acceptance,
  nowMs: number,
): PlannedDelivery {
  const { delayMs } = subscription.options;
  return {
    id: `${event.id}.${subscription.id}`,
    subscription,
    events: [event],
    places: null,
    key,
    dedup,
    dueAtMs: delayMs > 0 ? nowMs + delayMs : 0,
  };
}

/**
 * Slices of `groupSize` in order, each one delivery. Events with different keys never share a slice: a key is a promise
 * about order that one delivery can only keep for one key.
 */
export class GroupSlices<T extends Accepted> {
  readonly slices: T[][] = [];
  readonly #groupSize: number;
  readonly #open = new Map<string | null, T[]>();

  constructor(groupSize: number) {
    this.#groupSize = groupSize;
  }

  add(item: T): void {
    let slice = this.#open.get(item.key);
    if (!slice || slice.length >= this.#groupSize) {
      slice = [];
      this.#open.set(item.key, slice);
      this.slices.push(slice);
    }
    slice.push(item);
  }
}

/**
 * The delivery of one slice; `count`: how many slices the subscription has. Many groups are spread over time, so that a
 * mass publish does not occupy every worker at once.
 */
export function planSlice(
  subscription: Subscription,
  slice: readonly Accepted[],
  { index, count }: { readonly index: number; readonly count: number },
  nowMs: number,
  limits: GroupLimits,
): PlannedDelivery {
  const { delayMs } = subscription.options;
  const spread = count > limits.groupBatchSize;
  const baseMs = spread ? Math.max(delayMs, limits.groupBaseDelayMs) : delayMs;
  const gapMs = spread ? Math.floor(index / limits.groupBatchSize) * limits.groupBatchGapMs : 0;
  const [first] = slice;
  return {
    id: `${first?.event.id}.${subscription.id}.g${index}`,
    subscription,
    events: slice.map(({ event }) => event),
    places: slice.map(({ place }) => place),
    key: first?.key ?? null,
    dedup: slice.length === 1 ? (first?.dedup ?? null) : null,
    dueAtMs: baseMs + gapMs > 0 ? nowMs + baseMs + gapMs : 0,
  };
}
