import type { Clock } from "@signalbox/kernel";
import type { HealthRecord, HealthTracker, PeerFailure, PeerUrl, Random } from "../sync/ports.js";

export interface HealthTrackerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Wait after the first failure; each further one doubles it. Default 5 s. */
  readonly baseBackoffMs?: number;
  /** Default 3,600 s. */
  readonly maxBackoffMs?: number;
}

/** Failing without a success for so long, a peer is dead, and tried so seldom. */
const deadAfterMs = 24 * 3_600_000;
const cooldownMs = 65_000;
const stabilityMs = 300_000;
const refusedTargetRetryMs = 3_600_000;
/** Waits differ by up to this part, so that peers that were lost together are not called together. */
const jitter = 0.1;

const lapse: PeerFailure = { kind: "protocol", code: "LAPSE", message: "the peer misbehaved while it was connected" };

const unknown: HealthRecord = {
  failures: 0,
  streakStartedAt: null,
  lastFailureAt: null,
  lastFailure: null,
  lastSuccessAt: null,
  recoveredAt: null,
  nextAttemptAt: null,
  cooldownUntil: null,
};

/**
 * Times are those of the wall clock, so that they pass while the process is away. When that clock is set back, waits
 * that would begin in the future are over.
 */
export function createHealthTracker(options: HealthTrackerOptions): HealthTracker {
  const { clock, random, baseBackoffMs = 5_000, maxBackoffMs = 3_600_000 } = options;
  const records = new Map<PeerUrl, HealthRecord>();
  const recordOf = (url: PeerUrl): HealthRecord => records.get(url) ?? unknown;
  const change = (url: PeerUrl, changes: Partial<HealthRecord>): void => {
    records.set(url, { ...recordOf(url), ...changes });
  };

  const isDead = (failures: number, streakStartedAt: number | null): boolean =>
    failures > 0 && streakStartedAt !== null && clock.nowMs() - streakStartedAt >= deadAfterMs;
  const backoffMs = (failures: number, streakStartedAt: number): number => {
    if (isDead(failures, streakStartedAt)) return deadAfterMs;
    // From some number of failures on, the doubled wait is beyond every limit.
    const exactMs = Math.min(maxBackoffMs, baseBackoffMs * 2 ** Math.min(failures - 1, 40));
    return Math.round(exactMs * (1 - jitter + 2 * jitter * random.next()));
  };
  /** Whether the moment lies within a span that has begun. */
  const isWithin = (from: number | null, until: number | null): until is number => {
    const now = clock.nowMs();
    return from !== null && until !== null && from <= now && now < until;
  };
  const cooldownEnd = ({ cooldownUntil }: HealthRecord): number | null =>
    cooldownUntil !== null && isWithin(cooldownUntil - cooldownMs, cooldownUntil) ? cooldownUntil : null;
  const nextAttemptAt = (url: PeerUrl): number | null => {
    const record = recordOf(url);
    const backoffEnd = isWithin(record.lastFailureAt, record.nextAttemptAt) ? record.nextAttemptAt : 0;
    return Math.max(backoffEnd, cooldownEnd(record) ?? 0) || null;
  };

  return {
    nextAttemptAt,
    attemptAllowed: (url) => nextAttemptAt(url) === null,
    onSuccess(url) {
      const now = clock.nowMs();
      const { failures, recoveredAt } = recordOf(url);
      change(url, {
        failures: 0,
        streakStartedAt: null,
        nextAttemptAt: null,
        lastSuccessAt: now,
        recoveredAt: failures > 0 ? now : recoveredAt,
      });
    },
    onFailure(url, failure) {
      const now = clock.nowMs();
      // We refuse the address; that says nothing about the health of who is behind it.
      if (failure.kind === "target_not_allowed") {
        change(url, { lastFailureAt: now, lastFailure: failure, nextAttemptAt: now + refusedTargetRetryMs });
        return;
      }
      const failures = recordOf(url).failures + 1;
      const streakStartedAt = recordOf(url).streakStartedAt ?? now;
      const nextAttemptAt = now + backoffMs(failures, streakStartedAt);
      change(url, { failures, streakStartedAt, lastFailureAt: now, lastFailure: failure, nextAttemptAt });
    },
    onLapse(url) {
      const now = clock.nowMs();
      change(url, { lastFailureAt: now, lastFailure: lapse, recoveredAt: now });
    },
    onRateLimit: (url) => change(url, { cooldownUntil: clock.nowMs() + cooldownMs }),
    rateLimitedUntil: (url) => cooldownEnd(recordOf(url)),
    state(url, isConnected) {
      const record = recordOf(url);
      const { failures, recoveredAt } = record;
      if (cooldownEnd(record) !== null) return "rate_limited";
      if (isDead(failures, record.streakStartedAt)) return "dead";
      const isUnstable = recoveredAt !== null && isWithin(recoveredAt, recoveredAt + stabilityMs);
      if (failures > 0 || (isConnected && isUnstable)) return "degraded";
      return isConnected ? "healthy" : "disconnected";
    },
    failures: (url) => recordOf(url).failures,
    clear: (url) => void records.delete(url),
    dump: recordOf,
    restore: (url, record) => void records.set(url, record),
  };
}
