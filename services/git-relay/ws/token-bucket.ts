import type { Clock } from "@signalbox/kernel";

/** So many a minute over time, and as many at once. */
export interface TokenBucket {
  /** False when the limit is reached; nothing is taken then. */
  take(tokens?: number): boolean;
  /** Takes what turned out to be needed, also more than there is: the debt is worked off over time. */
  spend(tokens: number): void;
}

/** @param perMinute 0: no limit */
export function createTokenBucket(perMinute: number, clock: Clock): TokenBucket {
  if (perMinute === 0) return { take: () => true, spend: () => {} };
  let tokens = perMinute;
  let filledMs = clock.monotonicMs();
  const fill = (): void => {
    const nowMs = clock.monotonicMs();
    tokens = Math.min(perMinute, tokens + ((nowMs - filledMs) / 60_000) * perMinute);
    filledMs = nowMs;
  };
  return {
    take(wanted = 1) {
      fill();
      if (tokens < wanted) return false;
      tokens -= wanted;
      return true;
    },
    spend(needed) {
      fill();
      tokens -= needed;
    },
  };
}
