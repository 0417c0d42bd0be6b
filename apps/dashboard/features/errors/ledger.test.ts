import { expect, test } from "vitest";
import { formatMoment, intervalFor, type Ledger, momentsOf, outcomeKinds } from "./ledger.js";

const ledger: Ledger = {
  from: "2026-03-01T09:30:00.000Z",
  to: "2026-03-01T11:15:00.000Z",
  received: 3,
  outcomes: {},
  pending: 0,
  balance: 0,
  intervals: [
    {
      start: "2026-03-01T10:00:00.000Z",
      received: 3,
      outcomes: { stored: { quantity: 2, reasons: {} }, invalid: { quantity: 1, reasons: { json: 1 } } },
    },
  ],
  groups: [],
  client_discarded: [],
};

test("hours without items stand between those that have some", () => {
  const moments = momentsOf(ledger, "1h");
  expect(moments.map(({ startMs }) => new Date(startMs).toISOString().slice(11, 16))).toEqual([
    "09:00",
    "10:00",
    "11:00",
  ]);
  expect(moments.map(({ received }) => received)).toEqual([0, 3, 0]);
  const ended = Object.fromEntries(outcomeKinds.map(({ outcome }, index) => [outcome, moments[1]?.quantities[index]]));
  expect(ended).toMatchObject({ stored: 2, invalid: 1, filtered: 0 });
});

test("a day begins at midnight of UTC, in its name too", () => {
  const [day] = momentsOf({ ...ledger, intervals: [] }, "1d");
  expect(day?.startMs).toBe(Date.parse("2026-03-01T00:00:00Z"));
  expect(formatMoment(day?.startMs ?? 0, "1d")).toMatch(/\b1\b/);
});

test("two days are shown in hours, a week in days", () => {
  expect(intervalFor(48 * 3_600_000)).toBe("1h");
  expect(intervalFor(7 * 24 * 3_600_000)).toBe("1d");
});
