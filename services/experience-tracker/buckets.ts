import type { Clock } from "@signalbox/kernel";

/** Token buckets by key, each with the rate that its taker names. At most `maxKeys` are remembered. */
export interface Buckets {
  /**
   * Takes `amount`, all of it or nothing. 0 when there was enough, else how many milliseconds until there is. More than
   * the burst is let through when the bucket is full, else it could never be taken, and is paid back afterwards.
   */
  take(key: string, amount: number, rate: { readonly perSecond: number; readonly burst: number }): number;
}

export function createBuckets(clock: Clock, maxKeys = 20_000): Buckets {
  const buckets = new Map<string, { level: number; atMs: number }>();
  return {
    take(key, amount, { perSecond, burst }) {
      const nowMs = clock.monotonicMs();
      let bucket = buckets.get(key);
      if (!bucket) {
        if (buckets.size >= maxKeys) for (const oldest of buckets.keys()) if (buckets.delete(oldest)) break;
        bucket = { level: burst, atMs: nowMs };
        buckets.set(key, bucket);
      }
      bucket.level = Math.min(burst, bucket.level + ((nowMs - bucket.atMs) * perSecond) / 1000);
      bucket.atMs = nowMs;
      const needed = Math.min(amount, burst);
      if (bucket.level < needed) return ((needed - bucket.level) / perSecond) * 1000;
      bucket.level -= amount;
      return 0;
    },
  };
}
