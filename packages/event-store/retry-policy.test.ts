import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventStoreError, InvalidEvent } from "./errors.js";
import type { EffectiveWork } from "./registry.js";
import { type Failure, judgeFailure, retryDelayMs } from "./retry-policy.js";

type Retry = EffectiveWork["retry"];

const defaults: Retry = {
  maxAttempts: 25,
  baseMs: 1_000,
  factor: 2,
  maxMs: 3_600_000,
  jitter: 0.2,
  maxAgeMs: 1_209_600_000,
  decide: null,
};
const failed: Failure = { stage: "handle", error: new Error("no"), attempt: 1, ageMs: 0 };
const noJitter = (): number => 0;

test("ES-171 the delay is never shorter than planned and at most jitter longer", () => {
  const retry = fc.record({
    baseMs: fc.integer({ min: 0, max: 31_536_000_000 }),
    factor: fc.double({ min: 1, max: 1_000, noNaN: true }),
    maxMs: fc.integer({ min: 0, max: 31_536_000_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(retry, fc.integer({ min: 1, max: 100 }), draw, (options, attempt, random) => {
      const planned = Math.min(options.maxMs, options.baseMs * options.factor ** (attempt - 1));
      const delayMs = retryDelayMs(attempt, { ...defaults, ...options }, () => random);
      expect(delayMs).toBeGreaterThanOrEqual(planned);
      // Not planned × (1 + jitter): rounding could make that the smaller of the two.
      expect(delayMs).toBeLessThanOrEqual(planned + options.jitter * planned);
    }),
  );
});

test("ES-171 the default delays double from one second up to an hour", () => {
  const delays = Array.from({ length: 14 }, (_, index) => retryDelayMs(index + 1, defaults, noJitter));
  expect(delays.slice(0, 5)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
  expect(delays.slice(-2)).toEqual([3_600_000, 3_600_000]);
});

test("ES-171 jitter adds a uniform share of the delay", () => {
  expect(retryDelayMs(1, defaults, () => 0.5)).toBe(1_100);
  expect(retryDelayMs(1, { ...defaults, jitter: 1 }, () => 0.999)).toBe(1_999);
});

test("ES-171 a failure is retried by default", () => {
  expect(judgeFailure(failed, defaults, noJitter)).toEqual({ kind: "retry", delayMs: 1_000, counted: true });
});

test("ES-173 the last attempt and the highest age end in exhaustion", () => {
  const exhausted = { kind: "dead", reason: "exhausted" };
  expect(judgeFailure({ ...failed, attempt: 24 }, defaults, noJitter).kind).toBe("retry");
  expect(judgeFailure({ ...failed, attempt: 25 }, defaults, noJitter)).toEqual(exhausted);
  expect(judgeFailure({ ...failed, ageMs: 1_209_599_999 }, defaults, noJitter).kind).toBe("retry");
  expect(judgeFailure({ ...failed, ageMs: 1_209_600_000 }, defaults, noJitter)).toEqual(exhausted);
});

test("ES-171 an error with retryable === false is dead at once, any other value is not", () => {
  const verdictOn = (error: unknown) => judgeFailure({ ...failed, error }, defaults, noJitter);
  expect(verdictOn({ retryable: false })).toEqual({ kind: "dead", reason: "refused" });
  expect(verdictOn(new EventStoreError("EVT_CONFIG_INVALID"))).toEqual({ kind: "dead", reason: "refused" });
  for (const error of [{ retryable: true }, { retryable: 0 }, {}, null, undefined, "no", new Error("no")])
    expect(verdictOn(error).kind).toBe("retry");
});

describe("ES-171 what decide says", () => {
  const judged = (verdict: unknown, failure: Partial<Failure> = {}, retry: Partial<Retry> = {}) =>
    // @ts-expect-error some verdicts are wrong on purpose
    judgeFailure({ ...failed, ...failure }, { ...defaults, ...retry, decide: () => verdict }, noJitter);

  test("discard, dead and pause hold at the first attempt", () => {
    expect(judged("discard")).toEqual({ kind: "discard" });
    expect(judged("dead")).toEqual({ kind: "dead", reason: "refused" });
    expect(judged("pause")).toEqual({ kind: "pause" });
  });

  test("retry is the policy's delay", () => {
    expect(judged("retry", { attempt: 3 })).toEqual({ kind: "retry", delayMs: 4_000, counted: true });
  });

  test("a delay stands in for the policy's and counts", () => {
    expect(judged({ delayMs: 5 })).toEqual({ kind: "retry", delayMs: 5, counted: true });
    expect(judged({ delayMs: 5, counted: true }, { attempt: 25 })).toEqual({ kind: "dead", reason: "exhausted" });
  });

  test("a delay that does not count is exempt from attempts and age", () => {
    const forever = { attempt: 1_000, ageMs: Number.MAX_SAFE_INTEGER };
    expect(judged({ delayMs: 5, counted: false }, forever)).toEqual({ kind: "retry", delayMs: 5, counted: false });
  });

  test("a delay rules over an error that says repeating is useless", () => {
    expect(judged({ delayMs: 5 }, { error: { retryable: false } }).kind).toBe("retry");
  });

  test("discard and pause rule over exhaustion", () => {
    expect(judged("discard", { attempt: 25 })).toEqual({ kind: "discard" });
    expect(judged("pause", { attempt: 25 })).toEqual({ kind: "pause" });
  });

  test.each([
    "later",
    undefined,
    null,
    5,
    {},
    { delayMs: "5" },
    { delayMs: -1 },
    { delayMs: Number.NaN },
    { delayMs: Number.POSITIVE_INFINITY },
    Promise.resolve("dead"),
  ])("%j is no verdict and counts as retry", (verdict) => {
    expect(judged(verdict)).toEqual({ kind: "retry", delayMs: 1_000, counted: true });
  });

  test("a throwing decide counts as retry", () => {
    const decide = (): never => {
      throw new Error("no");
    };
    expect(judgeFailure(failed, { ...defaults, decide }, noJitter).kind).toBe("retry");
  });

  test("it is told the error and the attempt", () => {
    const told: unknown[] = [];
    const decide = (...args: unknown[]): "retry" => {
      told.push(...args);
      return "retry";
    };
    judgeFailure({ ...failed, attempt: 7 }, { ...defaults, decide }, noJitter);
    expect(told).toEqual([failed.error, 7]);
  });
});

describe("ES-165 before the handler is reached", () => {
  const decode = (error: unknown, more: Partial<Failure> = {}) =>
    judgeFailure({ ...failed, stage: "decode", error, ...more }, { ...defaults, decide: () => "discard" }, noJitter);

  test("what is wrong with the event itself is an invalid event at once", () => {
    for (const code of ["EVT_DATA_INVALID", "EVT_ENVELOPE_INVALID", "EVT_UNSUPPORTED_PAYLOAD"] as const)
      expect(decode(new InvalidEvent(code))).toEqual({ kind: "dead", reason: "invalid_event" });
  });

  test("what another process may know is retried by policy, then an unknown event", () => {
    const unknown = new InvalidEvent("EVT_UNKNOWN_TYPE");
    expect(decode(unknown)).toEqual({ kind: "retry", delayMs: 1_000, counted: true });
    expect(decode(unknown, { attempt: 25 })).toEqual({ kind: "dead", reason: "unknown_event" });
  });

  test("what may be readable later is retried by policy, then exhausted", () => {
    const away = new EventStoreError("EVT_TRANSPORT_UNAVAILABLE");
    expect(decode(away).kind).toBe("retry");
    expect(decode(away, { attempt: 25 })).toEqual({ kind: "dead", reason: "exhausted" });
  });
});
