import { createMemoryStore, periodOf } from "@signalbox/experience";
import { createVirtualClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { createQuarantine } from "./quarantine.js";
import { recordingLogger } from "./testing/start-tracker.js";

const minuteMs = 60_000;

function setUp(enforce = true) {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  const { logger, lines } = recordingLogger();
  const quarantine = createQuarantine({ store, enforce, clock, logger });
  const send = (checkpoints: number, anomalous: number, tenant = "default", type = "web"): Promise<void> => {
    const atMs = clock.nowMs();
    const fromMs = periodOf("five_minutes", atMs);
    const counts = { checkpoints, anomalous, starts: 0, ends: 0, lastAtMs: atMs };
    return store.addActivity([{ tenant, producer: "rails", type, fromMs, ...counts }]);
  };
  return { clock, quarantine, lines, send };
}

test.each([
  ["99 are too few", 99, 99, false],
  ["half of them is not most", 100, 50, false],
  ["more than half is", 100, 51, true],
])("XP-706 %s", async (_, checkpoints, anomalous, expected) => {
  const { quarantine, send } = setUp();
  await send(checkpoints, anomalous);
  await quarantine.look();
  expect(quarantine.isOdd("default", "rails")).toBe(expected);
  expect(quarantine.holds("default", "rails")).toBe(expected);
});

test("XP-706 all types of a producer together are looked at, those of another tenant are not", async () => {
  const { quarantine, send } = setUp();
  await send(60, 60, "default", "web");
  await send(60, 60, "default", "api");
  await send(1_000, 0, "acme");
  await quarantine.look();
  expect(quarantine.holds("default", "rails")).toBe(true);
  expect(quarantine.holds("acme", "rails")).toBe(false);
});

test("XP-706 it is said once when a producer becomes odd, and once when it is no longer", async () => {
  const { clock, quarantine, lines, send } = setUp();
  await quarantine.look();
  expect(lines).toEqual([]);
  await clock.advanceBy(4 * minuteMs);
  await send(200, 150);
  await quarantine.look();
  await quarantine.look();
  const fields = { tenant: "default", producer: "rails" };
  const said = { ...fields, checkpoints: 200, anomalous: 150, counted: false };
  expect(lines).toEqual([{ level: "warn", message: "experience.producer_odd", fields: said }]);
  // A minute into the next period four fifths of the one before count.
  await clock.advanceBy(2 * minuteMs);
  await quarantine.look();
  expect(quarantine.holds("default", "rails")).toBe(true);
  await clock.advanceBy(2 * minuteMs);
  await quarantine.look();
  await quarantine.look();
  expect(quarantine.holds("default", "rails")).toBe(false);
  expect(lines.slice(1)).toEqual([{ level: "info", message: "experience.producer_odd_no_more", fields }]);
});

test("XP-706 checkpoints that are in order again end it", async () => {
  const { quarantine, send } = setUp();
  await send(100, 100);
  await quarantine.look();
  expect(quarantine.holds("default", "rails")).toBe(true);
  await send(100, 0);
  await quarantine.look();
  expect(quarantine.holds("default", "rails")).toBe(false);
});

test("XP-706 XP-797 switched off, odd producers are reported and counted", async () => {
  const { quarantine, lines, send } = setUp(false);
  await send(100, 100);
  await quarantine.look();
  expect(quarantine.isOdd("default", "rails")).toBe(true);
  expect(quarantine.holds("default", "rails")).toBe(false);
  expect(lines).toMatchObject([{ fields: { counted: true } }]);
});
