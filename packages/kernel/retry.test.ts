import fc from "fast-check";
import { expect, test } from "vitest";
import { createVirtualClock } from "./clock.js";
import { errorMessage } from "./errors.js";
import { backoffCeilingMs, fullJitterMs, type RetryOptions, retry } from "./retry.js";

test("the ceiling doubles from the base up to the maximum", () => {
  const ceilings = [1, 2, 3, 4, 5, 2000].map((attempt) => backoffCeilingMs(attempt, { baseMs: 100, maxMs: 1000 }));
  expect(ceilings).toEqual([100, 200, 400, 800, 1000, 1000]);
});

test("jitter stays between nothing and the ceiling", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempt, chance) => {
      const options = { baseMs: 10, factor: 3, maxMs: 5000 };
      const delayMs = fullJitterMs(attempt, options, () => chance);
      expect(delayMs).toBeGreaterThanOrEqual(0);
      expect(delayMs).toBeLessThanOrEqual(backoffCeilingMs(attempt, options));
    }),
  );
});

test("work is repeated with growing pauses until it resolves", async () => {
  const { clock, options, startedMs } = setUp();
  const result = retry(async (attempt) => {
    startedMs.push(clock.monotonicMs());
    if (attempt < 4) throw new Error("not yet");
    return attempt;
  }, options);
  await clock.advanceBy(10_000);
  expect(await result).toBe(4);
  expect(startedMs).toEqual([0, 100, 300, 700]);
});

test("the last error is thrown when the attempts are used up", async () => {
  const { clock, options } = setUp();
  const result = retry((attempt) => Promise.reject(new Error(`attempt ${attempt}`)), { ...options, maxAttempts: 3 });
  const outcome = expect(result).rejects.toThrow("attempt 3");
  await clock.advanceBy(10_000);
  await outcome;
});

test("an error that is not worth it ends the attempts at once", async () => {
  const { options } = setUp();
  let attempts = 0;
  const work = async (): Promise<never> => {
    attempts++;
    throw new Error("refused");
  };
  await expect(retry(work, { ...options, retryIf: () => false })).rejects.toThrow("refused");
  expect(attempts).toBe(1);
});

test("an abort ends the pause with the signal's reason, and no attempt follows", async () => {
  const { clock, options } = setUp();
  const abort = new AbortController();
  let attempts = 0;
  const result = retry(
    async () => {
      attempts++;
      throw new Error("not yet");
    },
    { ...options, signal: abort.signal },
  );
  const outcome = expect(result).rejects.toThrow("stopping");
  await clock.advanceBy(150);
  abort.abort(new Error("stopping"));
  await outcome;
  await clock.advanceBy(10_000);
  expect(attempts).toBe(2);
});

test("work does not begin under a signal that is already aborted", async () => {
  const { options } = setUp();
  const signal = AbortSignal.abort(new Error("stopping"));
  await expect(retry(async () => "done", { ...options, signal })).rejects.toThrow("stopping");
});

test("each repetition is announced with its error, its number and its pause", async () => {
  const { clock, options } = setUp();
  const announced: unknown[] = [];
  const result = retry(
    async (attempt) => {
      if (attempt < 3) throw new Error(`failure ${attempt}`);
    },
    { ...options, onRetry: (error, attempt, delayMs) => announced.push([errorMessage(error), attempt, delayMs]) },
  );
  await clock.advanceBy(10_000);
  await result;
  expect(announced).toEqual([
    ["failure 1", 1, 100],
    ["failure 2", 2, 200],
  ]);
});

/** A virtual clock, and jitter that always draws the ceiling. */
function setUp() {
  const clock = createVirtualClock();
  const options: RetryOptions = { baseMs: 100, maxMs: 5000, clock, random: () => 1 };
  const startedMs: number[] = [];
  return { clock, options, startedMs };
}
