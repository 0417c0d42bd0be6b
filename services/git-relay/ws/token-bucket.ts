import type { Clock } from "@signalbox/kernel";

/** So many a minute over time, and as many at once. */
export interface TokenBucket {
  /** False when the limit is reached; nothing is taken then. */
  take(tokens?: number): boolean;
}

/** @param perMinute 0: no limit */
export function createTokenBucket(perMinute: number, clock: Clock): TokenBucket {
  if (perMinute === 0) return { take: () => true };
  let tokens = perMinute;
  let filledMs = clock.monotonicMs();
  return {
    take(wanted = 1) {
      const nowMs = clock.monotonicMs();
      tokens = Math.min(perMinute, tokens + ((nowMs - filledMs) / 60_000) * perMinute);
      filledMs = nowMs;
      if (tokens < wanted) return false;
      tokens -= wanted;
      return true;
    },
  };
}
