/** Lets `max` through at once and refills `max` every `perMs`. */
export interface TokenBucket {
  readonly max: number;
  readonly perMs: number;
  tokens: number;
  atMs: number;
}

/** Brings the bucket up to date and returns its tokens, with fractions. */
export function refillTokens(bucket: TokenBucket, nowMs: number): number {
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  bucket.tokens = Math.min(bucket.max, bucket.tokens + (elapsedMs * bucket.max) / bucket.perMs);
  bucket.atMs = nowMs;
  return bucket.tokens;
}

export function takeTokens(bucket: TokenBucket, count: number): void {
  bucket.tokens -= count;
}
