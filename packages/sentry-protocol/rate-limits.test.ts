import { expect, test } from "vitest";
import { formatRateLimits, type RateLimit } from "./index.js";

const limit = (changes: Partial<RateLimit>): RateLimit => ({
  retryAfterMs: 1000,
  categories: ["error"],
  scope: "key",
  reason: "quota",
  ...changes,
});

test("limits are listed with seconds, categories, scope and reason; Retry-After is the longest", () => {
  expect(
    formatRateLimits([
      limit({ retryAfterMs: 59_001, categories: ["error", "attachment"] }),
      limit({ retryAfterMs: 1, categories: [], scope: "organization", reason: "backpressure" }),
    ]),
  ).toEqual({
    retryAfter: "60",
    rateLimits: "60:error;attachment:key:quota, 1::organization:backpressure",
  });
});

test("a limit of the category default alone is not sent, for it would mean all categories", () => {
  expect(formatRateLimits([])).toBeNull();
  expect(formatRateLimits([limit({ categories: ["default"] })])).toBeNull();
  expect(formatRateLimits([limit({ categories: ["default", "error"] })])?.rateLimits).toBe("1:default;error:key:quota");
});
