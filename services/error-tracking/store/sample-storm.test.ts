import { expect, test } from "vitest";
import { sampleWeightOf } from "./sample-storm.js";

test("ET-094 the first ten thousand of a kind and hour are kept, then fewer the more there are", () => {
  const keep = 10_000;
  const weights = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => sampleWeightOf(from + index, keep));
  expect(weights(9_998, 10_004)).toEqual([1, 1, 1, 0, 2, 0, 2]);
  expect(weights(19_998, 20_008)).toEqual([2, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4]);
  expect(weights(39_996, 40_008)).toEqual([4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 8]);
});

test("ET-094 what is kept stands for everything that came, however much that is", () => {
  for (const total of [500, 5_000, 50_000, 1_000_000]) {
    let kept = 0;
    let stands = 0;
    for (let n = 1; n <= total; n++) {
      const weight = sampleWeightOf(n, 1_000);
      if (weight > 0) kept++;
      stands += weight;
    }
    expect(Math.abs(stands - total)).toBeLessThan(total / 100 + 1);
    expect(kept).toBeLessThanOrEqual(1_000 + 500 * Math.max(0, Math.ceil(Math.log2(total / 1_000))));
  }
});
