import { errorCode } from "@signalbox/kernel";
import type { RetryVerdict } from "./define-subscriber.js";
import type { DeadReason } from "./records/records.js";
import type { EffectiveWork } from "./registry.js";

/** What becomes of a failed item. */
export type FailureVerdict =
  | { readonly kind: "retry"; readonly delayMs: number; readonly counted: boolean }
  | { readonly kind: "dead"; readonly reason: DeadReason }
  | { readonly kind: "discard" }
  | { readonly kind: "pause" };

export interface Failure {
  /** `decode`: the handler was not reached. */
  readonly stage: "decode" | "handle";
  readonly error: unknown;
  /** 1 for the first. */
  readonly attempt: number;
  /** Since the delivery was first due. */
  readonly ageMs: number;
}

/** Judges one failure. Pure but for `random`; a throwing `decide` counts as `retry`. */
export function judgeFailure(failure: Failure, retry: EffectiveWork["retry"], random: () => number): FailureVerdict {
  const { stage, error, attempt, ageMs } = failure;
  // A newer process may know what this one does not; data that breaks its schema will do so everywhere.
  const unknown = stage === "decode" && errorCode(error) === "EVT_UNKNOWN_TYPE";
  if (stage === "decode" && !unknown && !isRetryWorthy(error)) return dead("invalid_event");
  const verdict = stage === "decode" ? "retry" : decide(retry, error, attempt);
  if (verdict === "discard" || verdict === "pause") return { kind: verdict };
  if (verdict === "dead") return dead("refused");
  if (verdict === "retry" && !unknown && !isRetryWorthy(error)) return dead("refused");
  if (typeof verdict === "object" && verdict.counted === false)
    return { kind: "retry", delayMs: verdict.delayMs, counted: false };
  if (attempt >= retry.maxAttempts || ageMs >= retry.maxAgeMs) return dead(unknown ? "unknown_event" : "exhausted");
  const delayMs = typeof verdict === "object" ? verdict.delayMs : retryDelayMs(attempt, retry, random);
  return { kind: "retry", delayMs, counted: true };
}

/** `min(maxMs, baseMs × factor^(attempt-1))` plus a uniform draw of up to `jitter` of it: never shorter than planned. */
export function retryDelayMs(attempt: number, retry: EffectiveWork["retry"], random: () => number): number {
  const planned = Math.min(retry.maxMs, retry.baseMs * retry.factor ** (attempt - 1));
  return planned + random() * retry.jitter * planned;
}

function dead(reason: DeadReason): FailureVerdict {
  return { kind: "dead", reason };
}

/** False when the error says of itself that repeating cannot help. */
function isRetryWorthy(error: unknown): boolean {
  return !(typeof error === "object" && error !== null && "retryable" in error && error.retryable === false);
}

function decide(retry: EffectiveWork["retry"], error: unknown, attempt: number): RetryVerdict {
  if (!retry.decide) return "retry";
  try {
    const verdict: unknown = retry.decide(error, attempt);
    return isVerdict(verdict) ? verdict : "retry";
  } catch {
    return "retry";
  }
}

function isVerdict(verdict: unknown): verdict is RetryVerdict {
  if (typeof verdict === "string") return ["retry", "discard", "dead", "pause"].includes(verdict);
  return (
    typeof verdict === "object" &&
    verdict !== null &&
    "delayMs" in verdict &&
    typeof verdict.delayMs === "number" &&
    Number.isFinite(verdict.delayMs) &&
    verdict.delayMs >= 0
  );
}
