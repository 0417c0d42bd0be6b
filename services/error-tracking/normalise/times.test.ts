import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isoTime } from "./times.js";

test("times are written as `Date` writes them, whatever was written before", () => {
  const anyTime = fc.integer({ min: -8.64e15, max: 8.64e15 });
  const ofOneDay = fc.integer({ min: 0, max: 86_399_999 }).map((ofDayMs) => 20_000 * 86_400_000 + ofDayMs);
  fc.assert(
    fc.property(fc.array(fc.oneof(anyTime, ofOneDay)), (times) => {
      for (const timeMs of times) expect(isoTime(timeMs)).toBe(new Date(timeMs).toISOString());
    }),
  );
});
