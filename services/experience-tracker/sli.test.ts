import { expect, test } from "vitest";
import { addFigures, budgetsOf, noFigures, ratiosOf } from "./sli.js";

const worked = { operations: 1000, errors: 10, timeouts: 4, apdexWeight: 990, apdexSuccess: 980 };

test("XP-591 availability weighs apdex and errors together, and without traffic every ratio is null", () => {
  expect(ratiosOf(worked)).toEqual({ apdexRatio: 0.9899, errorRatio: 0.01, availability: 0.98995 });
  expect(ratiosOf(noFigures)).toEqual({ apdexRatio: null, errorRatio: null, availability: null });
  expect(budgetsOf(noFigures, { apdexPct: 99.95, errorPct: 0.05 })).toEqual({ error: null, apdex: null });
});

test("a budget is what is left of it, and negative when more was spent", () => {
  const figures = { operations: 1000, errors: 1, timeouts: 0, apdexWeight: 100, apdexSuccess: 99 };
  expect(budgetsOf(figures, { apdexPct: 98, errorPct: 0.4 })).toEqual({ error: 0.75, apdex: 0.5 });
  expect(budgetsOf(worked, { apdexPct: 99.95, errorPct: 0.05 })).toEqual({ error: -19, apdex: -19.20202 });
});

test("XP-592 four errors of a million are a part of a small budget, although they are none of five digits", () => {
  const figures = { ...noFigures, operations: 1_000_000, errors: 4 };
  expect(ratiosOf(figures).errorRatio).toBe(0);
  expect(budgetsOf(figures, { apdexPct: 99.95, errorPct: 0.05 }).error).toBe(0.992);
});

test("an objective that allows nothing is kept or missed", () => {
  const kept = { operations: 10, errors: 0, timeouts: 0, apdexWeight: 10, apdexSuccess: 10 };
  expect(budgetsOf(kept, { apdexPct: 100, errorPct: 0 })).toEqual({ error: 1, apdex: 1 });
  expect(budgetsOf({ ...kept, errors: 1 }, { apdexPct: 100, errorPct: 0 }).error).toBe(-1);
});

test("figures of several experiences add up", () => {
  expect(addFigures([worked, noFigures, worked])).toEqual({
    operations: 2000,
    errors: 20,
    timeouts: 8,
    apdexWeight: 1980,
    apdexSuccess: 1960,
  });
});
