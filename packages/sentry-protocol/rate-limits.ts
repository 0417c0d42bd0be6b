import type { Category } from "./item-types.js";

export interface RateLimit {
  /** Until the limit ends; rounded up to whole seconds, at least one. */
  readonly retryAfterMs: number;
  /** Empty: all categories. */
  readonly categories: readonly Category[];
  readonly scope: "organization" | "project" | "key";
  readonly reason: "quota" | "backpressure" | "storm";
}

/** Values of the two headers by which SDKs learn about limits. */
export interface RateLimitHeaders {
  /** `Retry-After`: seconds of the longest limit. */
  readonly retryAfter: string;
  /** `X-Sentry-Rate-Limits` */
  readonly rateLimits: string;
}

/**
 * Formats the limits that apply, or null when there is nothing to say. A limit that concerns the category `default`
 * alone is left out: SDKs know no such category, and without it the list would be empty, which means all.
 */
export function formatRateLimits(limits: readonly RateLimit[]): RateLimitHeaders | null {
  const sent = limits.filter(({ categories }) => categories.length === 0 || categories.some((c) => c !== "default"));
  if (sent.length === 0) return null;
  const seconds = sent.map(({ retryAfterMs }) => Math.max(1, Math.ceil(retryAfterMs / 1000)));
  return {
    retryAfter: String(Math.max(...seconds)),
    rateLimits: sent
      .map(({ categories, scope, reason }, index) => `${seconds[index]}:${categories.join(";")}:${scope}:${reason}`)
      .join(", "),
  };
}
