import type { Clock } from "@signalbox/kernel";

/** A token bucket: `burst` requests at once, refilled with `perSecond`. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Token buckets by key, in bounded memory. */
export interface RateLimiter {
  /** Takes one request's worth. 0 when there was enough, else how many milliseconds until there is. */
  take(key: string): number;
  /** As `take`, without taking. */
  waitMs(key: string): number;
  /** Buckets held in memory. */
  readonly size: number;
}

interface Bucket {
  level: number;
  atMs: number;
}

/**
 * At most `maxKeys` buckets are held. Full buckets are forgotten first, which changes nothing; when all are in use
 * the oldest tenth goes, so that a flood of keys can lift the limit of others but never fill the memory.
 */
export function createRateLimiter(rate: Rate, clock: Clock, maxKeys = 20_000): RateLimiter {
  const buckets = new Map<string, Bucket>();
  const refillPerMs = rate.perSecond / 1000;

  const levelOf = (bucket: Bucket, nowMs: number): number =>
    Math.min(rate.burst, bucket.level + (nowMs - bucket.atMs) * refillPerMs);

  const makeRoom = (nowMs: number): void => {
    for (const [key, bucket] of buckets) if (levelOf(bucket, nowMs) >= rate.burst) buckets.delete(key);
    let surplus = buckets.size - Math.floor(maxKeys * 0.9);
    for (const key of buckets.keys()) {
      if (surplus-- <= 0) break;
      buckets.delete(key);
    }
  };

  return {
    get size() {
      return buckets.size;
    },
    take(key) {
      const nowMs = clock.monotonicMs();
      let bucket = buckets.get(key);
      if (bucket === undefined) {
        if (buckets.size >= maxKeys) makeRoom(nowMs);
        bucket = { level: rate.burst, atMs: nowMs };
        buckets.set(key, bucket);
      } else {
        bucket.level = levelOf(bucket, nowMs);
        bucket.atMs = nowMs;
      }
      if (bucket.level < 1) return (1 - bucket.level) / refillPerMs;
      bucket.level -= 1;
      return 0;
    },
    waitMs(key) {
      const bucket = buckets.get(key);
      if (bucket === undefined) return 0;
      const level = levelOf(bucket, clock.monotonicMs());
      return level < 1 ? (1 - level) / refillPerMs : 0;
    },
  };
}
