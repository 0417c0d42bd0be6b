import { createMemoryStore, type ExperienceStore } from "@signalbox/experience";
import { checkpointOf, definitionOf } from "@signalbox/experience/testing";
import { type Clock, createVirtualClock, noMetrics, silentLogger, ulid, type VirtualClock } from "@signalbox/kernel";
import { expect, onTestFinished, test } from "vitest";
import { createReaper } from "./reaper.js";

const definition = definitionOf("checkout");

/** A reaper on a clock that moves when told to, the waits it chose and the batches it took. */
function newReaper(random = Math.random) {
  const clock = createVirtualClock();
  const kept = createMemoryStore({ clock });
  const sleepsMs: number[] = [];
  const batches: { readonly limit: number; readonly decided: number }[] = [];
  const store: ExperienceStore = {
    ...kept,
    async claimDue(limit) {
      const result = await kept.claimDue(limit);
      if (result.decided.length > 0) batches.push({ limit, decided: result.decided.length });
      return result;
    },
  };
  const reaper = createReaper({
    store,
    clock: noting(clock, sleepsMs),
    logger: silentLogger,
    metrics: noMetrics,
    lateStartGraceMs: 0,
    random,
    onDecided: () => {},
  });
  onTestFinished(() => reaper.service.stop());
  const start = (timeMs = clock.nowMs()) =>
    store.apply([
      checkpointOf(definition, {
        correlation_id: ulid(),
        checkpoint: "start",
        client_timestamp: new Date(timeMs).toISOString(),
      }),
    ]);
  return { clock, store, reaper, start, sleepsMs, batches };
}

function noting(clock: VirtualClock, sleepsMs: number[]): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (...args) => clock.sleep(...args),
    setTimer(delayMs, callback) {
      sleepsMs.push(delayMs);
      return clock.setTimer(delayMs, callback);
    },
  };
}

test("XP-430 without anything due it sleeps for less than a second, with a tenth of jitter either way", async () => {
  for (const [chance, sleepMs] of [
    [0, 810],
    [0.5, 900],
    [1, 990],
  ] as const) {
    const { reaper, sleepsMs } = newReaper(() => chance);
    await reaper.service.start();
    await expect.poll(() => sleepsMs.length).toBeGreaterThan(0);
    expect(sleepsMs[0]).toBeCloseTo(sleepMs);
  }
});

test("XP-430 it sleeps until the next run is due, and then closes it", async () => {
  const { reaper, clock, store, start, sleepsMs, batches } = newReaper();
  await start(clock.nowMs() - 29_700);
  const dueMs = (await store.nextDue()) ?? 0;
  await clock.advanceBy(dueMs - clock.nowMs() - 300);
  await reaper.service.start();
  await expect.poll(() => sleepsMs.length).toBeGreaterThan(0);
  expect(sleepsMs[0]).toBe(301);
  await clock.advanceBy(300);
  expect(batches).toEqual([]);
  await clock.advanceBy(1);
  await expect.poll(() => batches).toEqual([{ limit: 200, decided: 1 }]);
});

test("XP-430 it takes 200 runs at once and lets checkpoints through between batches", async () => {
  const { reaper, clock, start, batches } = newReaper();
  for (let made = 0; made < 1_000; made++) await start();
  await clock.advanceBy(60_000);
  const answered: number[] = [];
  let sending = true;
  const sendAlways = async (): Promise<void> => {
    while (sending) {
      await new Promise((resolve) => setImmediate(resolve));
      await start();
      answered.push(batches.length);
    }
  };
  const sender = sendAlways();
  await reaper.service.start();
  await expect.poll(() => batches.length).toBe(5);
  sending = false;
  await sender;
  expect(batches).toEqual(Array(5).fill({ limit: 200, decided: 200 }));
  for (const batch of [1, 2, 3, 4]) expect(answered).toContain(batch);
});
