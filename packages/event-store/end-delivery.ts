import type { SettlementKind } from "./dispatch-log.js";
import { fingerprintOf, recordError } from "./error-record.js";
import {
  addFailure,
  dataRefOf,
  encodeBody,
  encodeProgress,
  type Item,
  type ItemProgress,
  isGroupBody,
} from "./handled-items.js";
import type { DeadReason, NewDeadLetter } from "./records/records.js";
import type { EffectiveWork } from "./registry.js";
import { type FailureVerdict, judgeFailure } from "./retry-policy.js";
import type { Lease, Settlement } from "./transports/transport.js";

/** What a handler call did with one item. */
export type ItemResult =
  | { readonly kind: "done"; readonly ignored: boolean }
  | {
      readonly kind: "failed";
      readonly stage: "decode" | "handle";
      readonly error: unknown;
      readonly startedAtMs: number;
      readonly durationMs: number;
    }
  /** Not reached, because an earlier item of its key failed. */
  | { readonly kind: "waiting" };

export interface HandledItem {
  readonly item: Item;
  readonly result: ItemResult;
}

/** How one delivery attempt ends: what to write first, and what to tell the transport then. */
export interface DeliveryEnd {
  readonly lease: Lease;
  readonly settlement: Settlement;
  readonly kind: SettlementKind;
  readonly letters: readonly NewDeadLetter[];
  readonly pause: boolean;
  /** The delivery refers to blobs. */
  readonly hasBlobs: boolean;
  /** In the order of the items; `undefined` for those that did not fail. */
  readonly verdicts: readonly (FailureVerdict | undefined)[];
}

const done: Settlement = Object.freeze({ kind: "done" });
const nothing: readonly never[] = Object.freeze([]);

/** Judges the failures of a delivery and sums them up. Pure but for `random` and the subscriber's own `decide`. */
export function endDelivery(
  lease: Lease,
  handled: readonly HandledItem[],
  work: EffectiveWork,
  nowMs: number,
  random: () => number,
): DeliveryEnd {
  const hasBlobs = handled.some(({ item }) => dataRefOf(item.wire) !== undefined);
  if (handled.every(({ result }) => result.kind === "done"))
    return { lease, settlement: done, kind: "done", letters: nothing, pause: false, hasBlobs, verdicts: nothing };

  const verdicts = handled.map(({ item, result }) => judge(item, result, work, nowMs, random));
  const remaining: Item[] = [];
  const progress = new Map<string, ItemProgress>();
  const letters: NewDeadLetter[] = [];
  let delayMs = 0;
  let counted = false;
  handled.forEach(({ item, result }, index) => {
    const verdict = verdicts[index];
    if (result.kind === "done" || verdict?.kind === "discard") return;
    const after = result.kind === "failed" ? failedOnce(item, result, nowMs) : item.progress;
    if (verdict?.kind === "dead" && result.kind === "failed") {
      letters.push(letterOf(item, verdict.reason, result.error, after, nowMs));
      return;
    }
    remaining.push(item);
    const kept = verdict?.kind === "retry" && verdict.counted ? after : item.progress;
    if (kept.failures > 0) progress.set(item.eventId, kept);
    if (verdict?.kind === "retry") {
      delayMs = Math.max(delayMs, verdict.delayMs);
      counted ||= verdict.counted;
    }
  });
  const pause = verdicts.some((verdict) => verdict?.kind === "pause");
  const common = { lease, letters, pause, hasBlobs, verdicts };
  if (remaining.length === 0) return { ...common, ...endOf(letters) };
  if (pause && !counted && remaining.length === handled.length)
    return { ...common, settlement: { kind: "hand_back" }, kind: "handed_back" };
  return {
    ...common,
    kind: "retried",
    settlement: {
      kind: "retry",
      dueAtMs: nowMs + Math.ceil(delayMs),
      attempts: lease.attempts + (counted ? 1 : 0),
      progress: encodeProgress(progress),
      ...(remaining.length < handled.length && { body: encodeBody(remaining, isGroupBody(lease.body)) }),
    },
  };
}

/** The end of a delivery that killed its process while nothing ran beside it, as often as that is tolerated. */
export function buryCrashed(lease: Lease, items: readonly Item[], nowMs: number): DeliveryEnd {
  const error = new Error(`The process died ${lease.crashesAlone} times while only this delivery was running`);
  error.name = "ProcessCrashed";
  const letters = items.map((item) => letterOf(item, "crashed", error, item.progress, nowMs));
  const hasBlobs = items.some(({ wire }) => dataRefOf(wire) !== undefined);
  return { lease, settlement: { kind: "dead" }, kind: "dead", letters, pause: false, hasBlobs, verdicts: nothing };
}

/** The items of a call by the delivery they came in. */
export function* byLease(
  leases: readonly Lease[],
  handled: readonly HandledItem[],
): Generator<readonly [Lease, readonly HandledItem[]]> {
  if (leases.length === 1 && leases[0] && handled.length > 0) {
    yield [leases[0], handled];
    return;
  }
  const items = new Map<Lease, HandledItem[]>();
  for (const one of handled) {
    const own = items.get(one.item.lease);
    if (own) own.push(one);
    else items.set(one.item.lease, [one]);
  }
  yield* items;
}

function endOf(letters: readonly NewDeadLetter[]): Pick<DeliveryEnd, "settlement" | "kind"> {
  if (letters.length > 0) return { settlement: { kind: "dead" }, kind: "dead" };
  return { settlement: done, kind: "discarded" };
}

function judge(
  item: Item,
  result: ItemResult,
  work: EffectiveWork,
  nowMs: number,
  random: () => number,
): FailureVerdict | undefined {
  if (result.kind !== "failed") return undefined;
  const { stage, error } = result;
  const attempt = item.progress.failures + 1;
  return judgeFailure({ stage, error, attempt, ageMs: nowMs - item.lease.firstDueAtMs }, work.retry, random);
}

function failedOnce(
  item: Item,
  result: { readonly error: unknown; readonly startedAtMs: number; readonly durationMs: number },
  nowMs: number,
): ItemProgress {
  const at = new Date(result.startedAtMs).toISOString();
  return addFailure(item.progress, { at, durationMs: result.durationMs, error: recordError(result.error) }, nowMs);
}

export function letterOf(
  item: Item,
  reason: DeadReason,
  error: unknown,
  progress: ItemProgress,
  nowMs: number,
): NewDeadLetter {
  const record = recordError(error);
  const { subscription } = item.lease;
  return {
    id: `${item.eventId}.${subscription}`,
    subscription,
    eventType: subscription.slice(subscription.indexOf("/") + 1),
    // Whatever it was: a body that is no JSON is kept as a JSON text, so that letters can always be read.
    event: JSON.stringify(item.wire),
    reason,
    error: record,
    attempts: progress.attempts,
    fingerprint: fingerprintOf(subscription, record),
    correlationId: "event" in item.read ? item.read.event.correlationId : correlationOf(item),
    firstFailedAtMs: progress.firstFailedAtMs ?? nowMs,
    deadAtMs: nowMs,
  };
}

/** Of an event that may be unreadable. */
export function correlationOf(item: Item): string {
  const { wire } = item;
  if (typeof wire !== "object" || wire === null || !("correlationid" in wire)) return item.eventId;
  const { correlationid } = wire;
  return typeof correlationid === "string" && /^[ -~]{1,64}$/.test(correlationid) ? correlationid : item.eventId;
}
