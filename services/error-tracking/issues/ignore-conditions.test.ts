import { expect, test } from "vitest";
import { isEscalating } from "./ignore-conditions.js";

const quiet = { currentHour: 0, previousHours: 0, highestHour: 0, fullHistory: true };

test("ET-244 up to 50 events in an hour are no escalation", () => {
  expect(isEscalating({ ...quiet, currentHour: 50 })).toBe(false);
  expect(isEscalating({ ...quiet, currentHour: 51 })).toBe(true);
});

test("ET-244 more than six times the mean hour of the seven days before is one", () => {
  const week = { ...quiet, previousHours: 168 * 20, highestHour: 500 };
  expect(isEscalating({ ...week, currentHour: 120 })).toBe(false);
  expect(isEscalating({ ...week, currentHour: 121 })).toBe(true);
});

test("ET-244 with less history it is six times the highest hour", () => {
  const young = { ...quiet, previousHours: 168, highestHour: 30, fullHistory: false };
  expect(isEscalating({ ...young, currentHour: 180 })).toBe(false);
  expect(isEscalating({ ...young, currentHour: 181 })).toBe(true);
});
