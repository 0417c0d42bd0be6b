const longestMs = 300_000;

/** Milliseconds that a `Retry-After` header asks for, at most 300,000; 0 when it asks for nothing that can be read. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0;
  const text = header.trim();
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isNaN(delayMs) ? 0 : Math.min(longestMs, Math.max(0, delayMs));
}
