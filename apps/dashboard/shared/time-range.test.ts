import { expect, test } from "vitest";
import { errorsQuery, readTimeRange } from "./time-range.js";

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

test.each(["15m", "1h", "24h", "7d", "14d", "30d"])("lists of errors know %s by its name", (period) => {
  expect(errorsQuery(readTimeRange(period, null, null))).toEqual({ stats_period: period, query_period: period });
});

test("any other range is asked for by its ends", () => {
  const sinceMs = (range: string): number => {
    const query = errorsQuery(readTimeRange(range, null, null));
    return "from" in query && query.to === undefined ? Date.now() - Date.parse(query.from) : Number.NaN;
  };
  expect(Math.round(sinceMs("6h") / 3_600_000)).toBe(6);
  expect(Math.round(sinceMs("90d") / 86_400_000)).toBe(90);
  expect(errorsQuery(readTimeRange(null, "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"))).toEqual({
    from: "2026-02-01T00:00:00.000Z",
    to: "2026-02-02T00:00:00.000Z",
  });
});
