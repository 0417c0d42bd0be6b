import { expect, test } from "vitest";
import { readTimeRange, statsPeriod } from "./time-range.js";

test("without a choice it is the last day, and an unknown choice is none", () => {
  expect(readTimeRange(null, null, null)).toMatchObject({ key: "24h", until: undefined });
  expect(readTimeRange("7 weeks", null, null).key).toBe("24h");
});

test("a period ends now and moves on", () => {
  const range = readTimeRange("1h", null, null);
  expect(Date.now() - Date.parse(range.since()) - 3_600_000).toBeLessThan(60_000);
});

test("a custom range has its own ends; one that is backwards is none", () => {
  const range = readTimeRange(null, "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z");
  expect(range).toMatchObject({ until: "2026-02-02T00:00:00.000Z", lengthMs: 86_400_000 });
  expect(range.since()).toBe("2026-02-01T00:00:00.000Z");
  expect(readTimeRange(null, "2026-02-02T00:00:00Z", "2026-02-01T00:00:00Z").key).toBe("24h");
});

test.each([
  ["15m", "15m"],
  ["6h", "24h"],
  ["7d", "7d"],
  ["90d", "30d"],
] as const)("lists of errors for %s look at %s", (range, period) => {
  expect(statsPeriod(readTimeRange(range, null, null))).toBe(period);
});
