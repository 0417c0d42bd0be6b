import { expect, test } from "vitest";
import { bindParams } from "./bind-params.js";

const at = new Date("2026-01-02T03:04:05.678Z");

test.each<[string, unknown, unknown]>([
  ["DateTime64(3)", at, "2026-01-02 03:04:05.678"],
  ["DateTime64(3, 'UTC')", at, "2026-01-02 03:04:05.678"],
  ["DateTime", at, "2026-01-02 03:04:05"],
  ["Date", at, "2026-01-02"],
  ["String", at, "2026-01-02T03:04:05.678Z"],
  ["Nullable(DateTime)", at, "2026-01-02 03:04:05"],
  ["Array(DateTime)", [at], ["2026-01-02 03:04:05"]],
  ["Array(Nullable(DateTime))", [at, null], ["2026-01-02 03:04:05", null]],
  ["DateTime", "2026-01-02T05:04:05+02:00", "2026-01-02 03:04:05"],
  ["DateTime", "2026-01-02 03:04:05", "2026-01-02 03:04:05"],
  ["String", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"],
  ["DateTime", 1767323045, 1767323045],
])("%s takes %j", (type, value, expected) => {
  expect(bindParams(`SELECT { value : ${type} }`, { value })).toEqual({ value: expected });
});

test("only what the statement names is bound, each once", () => {
  expect(bindParams("SELECT {a:UInt8}, {a:UInt8}, {'key': 1}", { a: 1, b: 2 })).toEqual({ a: 1 });
});

test("null is a value, nothing is not", () => {
  expect(bindParams("SELECT {a:Nullable(UInt8)}", { a: null })).toEqual({ a: null });
  expect(() => bindParams("SELECT {a:UInt8}", {})).toThrow(
    expect.objectContaining({ code: "ANALYTICS_QUERY_FAILED", details: { parameter: "a" } }),
  );
});
