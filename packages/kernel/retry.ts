import { type Clock, systemClock } from "./clock.js";

export interface BackoffOptions {
  readonly baseMs: number;
  readonly factor?: number;
  readonly maxMs: number;
}

/** Exponential ceiling for attempt n (from 1): `min(maxMs, baseMs × factor^(n-1))`. */
export function backoffCeilingMs(attempt: number, { baseMs, factor = 2, maxMs }: BackoffOptions): number {
  return Math.min(maxMs, baseMs * factor ** (attempt - 1));
}

/** Full jitter: uniform between 0 and the ceiling, so that clients that failed together do not return together. */
export function fullJitterMs(attempt: number, options: BackoffOptions, random: () => number = Math.random): number {
  return random() * backoffCeilingMs(attempt, options);
}

export interface RetryOptions extends BackoffOptions {
  readonly maxAttempts?: number;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Which errors are worth another attempt; default: all. */
  readonly retryIf?: (error: unknown) => boolean;
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
}

/**
 * Calls `work` until it resolves, with exponential backoff and full jitter between attempts.
 * @throws the last error when attempts are used up or `retryIf` says no; the signal's reason when aborted.
 */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const clock = options.clock ?? systemClock;
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= (options.maxAttempts ?? Number.POSITIVE_INFINITY)) throw error;
      if (options.retryIf && !options.retryIf(error)) throw error;
      options.signal?.throwIfAborted();
      const delayMs = fullJitterMs(attempt, options, options.random);
      options.onRetry?.(error, attempt, delayMs);
      await clock.sleep(delayMs, { signal: options.signal });
    }
  }
}
