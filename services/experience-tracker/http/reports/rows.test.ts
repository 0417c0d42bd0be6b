import { definitionOf } from "@signalbox/experience/testing";
import { expect, test } from "vitest";
import { type ExperienceFigures, sumOf } from "../../reports/experience-figures.js";
import { journeysOf } from "../../reports/journeys.js";
import { categoryRow, experienceRow, journeyRow, smallestBudgetFirst } from "./rows.js";

const window = { fromMs: 0, toMs: 28 * 86_400_000 };
const charging = { gapS: 0, chargeGaps: true };

function figuresOf(id: string, changes: Partial<ExperienceFigures> = {}, slo = {}): ExperienceFigures {
  return {
    definition: definitionOf(id, { slo: { apdex_pct: 99, error_pct: 2, ...slo } }),
    ...{ operations: 0, errors: 0, timeouts: 0, apdexWeight: 0, apdexSuccess: 0, lateSuccess: 0, discards: 0 },
    ...{ p50S: null, p95S: null, p99S: null },
    inGap: { operations: 0, errors: 0, timeouts: 0 },
    ...changes,
  };
}

const worked = { operations: 1000, errors: 10, timeouts: 4, apdexWeight: 990, apdexSuccess: 980 };
const rowOf = (figures: ExperienceFigures, context = charging) => experienceRow(figures, figures.definition, context);

test("XP-590 XP-591 XP-592 a row has ratios of five digits and what is left of its own objectives", () => {
  expect(rowOf(figuresOf("a", worked))).toMatchObject({
    availability: 0.98995,
    error_ratio: 0.01,
    error_budget_remaining: 0.5,
    apdex_budget_remaining: -0.0101,
    complete: true,
    gap_s: 0,
  });
  const strict = rowOf(figuresOf("b", worked, { apdex_pct: 99.95, error_pct: 0.05 }));
  expect(strict).toMatchObject({ error_budget_remaining: -19, apdex_budget_remaining: -19.20202 });
});

test("XP-593 runs in gaps are charged or not, and both figures stand side by side", () => {
  const figures = figuresOf("a", { ...worked, inGap: { operations: 8, errors: 5, timeouts: 4 } });
  const sides = {
    with_gaps: { operations: 1000, errors: 10, error_ratio: 0.01, availability: 0.98995, error_budget_remaining: 0.5 },
    without_gaps: {
      operations: 992,
      errors: 5,
      error_ratio: 0.00504,
      availability: 0.99243,
      error_budget_remaining: 0.74798,
    },
  };
  expect(rowOf(figures, { gapS: 12.5, chargeGaps: true })).toMatchObject({
    ...sides,
    operations: 1000,
    errors: 10,
    timeouts: 4,
    timeouts_in_gap: 4,
    gap_s: 12.5,
    complete: false,
  });
  expect(rowOf(figures, { gapS: 12.5, chargeGaps: false })).toMatchObject({
    ...sides,
    operations: 992,
    errors: 5,
    timeouts: 0,
    timeouts_in_gap: 4,
    apdex_ratio: 0.9899,
    availability: 0.99243,
    error_budget_remaining: 0.74798,
  });
});

test("XP-592 a category weighs budgets by runs, and says what it lost in minutes", () => {
  const experiences = [
    figuresOf("busy", { ...worked, operations: 900, errors: 9 }),
    figuresOf("rare", { operations: 100, errors: 4, apdexWeight: 96, apdexSuccess: 96 }),
    figuresOf("idle"),
  ];
  const durations = { p50S: 1, p95S: 2, p99S: 3 };
  const category = { featureCategory: "shop", experiences, ...sumOf(experiences), ...durations };
  const row = categoryRow(category, charging, window);
  expect(row).toMatchObject({ experiences: 3, operations: 1000, errors: 13, p99_s: 3, allowed_minutes: 20.16 });
  // (900 × (1 − 0.01 / 0.02) + 100 × (1 − 0.04 / 0.02)) / 1000
  expect(row.error_budget_remaining).toBe(0.35);
  expect(row.spent_minutes).toBeCloseTo((1 - (row.availability ?? 0)) * 40_320, 5);
  const idle = [figuresOf("idle")];
  const quiet = categoryRow(
    { featureCategory: "quiet", experiences: idle, ...sumOf(idle), ...durations },
    charging,
    window,
  );
  expect(quiet).toMatchObject({ availability: null, error_budget_remaining: null, spent_minutes: null });
});

test("XP-595 a journey weighs ratios and budgets as the configuration says, without those that had no traffic", () => {
  const experiences = [
    figuresOf("a", { operations: 10, errors: 1, apdexWeight: 9, apdexSuccess: 9 }),
    figuresOf("b", { operations: 1000, errors: 500, apdexWeight: 500, apdexSuccess: 250 }),
    figuresOf("idle"),
  ];
  const parts = [
    { id: "a", weight: 3 },
    { id: "b", weight: 1 },
    { id: "idle", weight: 50 },
    { id: "undefined_one", weight: 50 },
  ];
  const [journey] = journeysOf({ contribute: parts }, experiences);
  if (!journey) throw new Error("no journey");
  expect(journeyRow(journey, charging)).toMatchObject({
    journey: "contribute",
    experiences: parts.slice(0, 3),
    operations: 1010,
    errors: 501,
    error_ratio: 0.2,
    apdex_ratio: 0.875,
    error_budget_remaining: -9,
    p50_s: null,
  });
});

test("XP-593 the smallest of a row's budgets decides, then its name, and those without traffic come last", () => {
  const rows = [
    { name: "idle", error_budget_remaining: null, apdex_budget_remaining: null },
    { name: "b", error_budget_remaining: 0.5, apdex_budget_remaining: 1 },
    { name: "a", error_budget_remaining: 1, apdex_budget_remaining: 0.5 },
    { name: "spent", error_budget_remaining: -3, apdex_budget_remaining: 1 },
    { name: "dead", error_budget_remaining: -2, apdex_budget_remaining: null },
  ];
  const sorted = smallestBudgetFirst(rows, ({ name }) => name);
  expect(sorted.map(({ name }) => name)).toEqual(["spent", "dead", "a", "b", "idle"]);
});
