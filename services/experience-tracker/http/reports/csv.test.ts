import { expect, test } from "vitest";
import { columnsOf, toCsv } from "./csv.js";

test("XP-593 fields of objects inside are columns, and what a row lacks is an empty cell", () => {
  const first = { id: "a", slo: { apdex_pct: 99.95 }, ratio: null, complete: true };
  expect(columnsOf(first)).toEqual(["id", "slo_apdex_pct", "ratio", "complete"]);
  expect(toCsv(columnsOf(first), [first, { id: "b" }])).toBe(
    "id,slo_apdex_pct,ratio,complete\r\na,99.95,,true\r\nb,,,\r\n",
  );
});

test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])("XP-593 text %j is no formula", (text) => {
  expect(toCsv(["a"], [{ a: text }])).toMatch(/^a\r\n"?'/);
});

test("XP-593 numbers stay numbers, and commas, quotes and lines stay inside of their cell", () => {
  expect(toCsv(["a", "b"], [{ a: -19, b: 'x,"y"\nz' }])).toBe('a,b\r\n-19,"x,""y""\nz"\r\n');
});
