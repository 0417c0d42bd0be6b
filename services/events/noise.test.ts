import { expect, test } from "vitest";
import { judgeNoise } from "./noise.js";

const quiet = { published: 2_000, conditionFalse: 0, meanConditionUs: 0, runs: 2_000, ignored: 0 };

test.each([
  [{}, false, null],
  [{ runs: 1_000, ignored: 901 }, false, "add a condition"],
  [{ runs: 1_000, ignored: 900 }, false, null],
  [{ runs: 999, ignored: 999 }, false, null],
  [{ runs: 1_000, ignored: 1_000 }, true, null],
  [{ meanConditionUs: 1_000 }, true, null],
  [{ meanConditionUs: 1_001 }, true, "too expensive"],
] as const)("ES-286 %o with a condition: %s gives the advice %s", (changes, hasCondition, advice) => {
  expect(judgeNoise({ ...quiet, ...changes }, hasCondition).advice).toBe(advice);
});

test("ES-286 shares are of what there was", () => {
  expect(judgeNoise({ ...quiet, conditionFalse: 500, runs: 1_500, ignored: 300 }, true)).toMatchObject({
    conditionFalseShare: 0.25,
    ignoredShare: 0.2,
  });
  expect(judgeNoise({ ...quiet, published: 0, runs: 0 }, true)).toMatchObject({
    conditionFalseShare: null,
    ignoredShare: null,
  });
});
