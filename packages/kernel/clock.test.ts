import { expect, test } from "vitest";
import { createVirtualClock, systemClock } from "./clock.js";

test("a system timer never fires before its delay is over, although Node counts in whole milliseconds", async () => {
  const delayMs = 10;
  const waitsMs = await Promise.all(
    Array.from({ length: 200 }, () => {
      const startedMs = performance.now();
      while (performance.now() < startedMs + 0.13);
      const setMs = performance.now();
      return new Promise<number>((resolve) => systemClock.setTimer(delayMs, () => resolve(performance.now() - setMs)));
    }),
  );
  expect(Math.min(...waitsMs)).toBeGreaterThanOrEqual(delayMs);
});

test("a cancelled system timer stays silent, also when cancelled twice", async () => {
  let fired = false;
  const timer = systemClock.setTimer(5, () => {
    fired = true;
  });
  timer.cancel();
  timer.cancel();
  await systemClock.sleep(25);
  expect(fired).toBe(false);
});

test("a delay beyond the longest timeout of Node is waited for in parts", async () => {
  const warnings: string[] = [];
  const note = (warning: Error): void => void warnings.push(warning.name);
  process.on("warning", note);
  let fired = false;
  const timer = systemClock.setTimer(2 ** 31 + 1000, () => {
    fired = true;
  });
  await systemClock.sleep(20);
  timer.cancel();
  process.off("warning", note);
  expect({ fired, warnings }).toEqual({ fired: false, warnings: [] });
});

test("sleep rejects with the signal's reason, at once when it was aborted before", async () => {
  const abort = new AbortController();
  const sleeping = systemClock.sleep(60_000, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(sleeping).rejects.toThrow("enough");
  await expect(systemClock.sleep(60_000, { signal: abort.signal })).rejects.toThrow("enough");
});

test("a virtual clock stands still until it is told to move", async () => {
  const clock = createVirtualClock(1000);
  await clock.advanceBy(250);
  expect(clock.nowMs()).toBe(1250);
  expect(clock.monotonicMs()).toBe(250);
});

test("virtual timers fire in due order, equal ones in the order they were set, each at its own time", async () => {
  const clock = createVirtualClock(0);
  const fired: string[] = [];
  const note = (name: string) => () => void fired.push(`${name}@${clock.nowMs()}`);
  clock.setTimer(30, note("late"));
  clock.setTimer(10, note("first"));
  clock.setTimer(10, note("second"));
  clock.setTimer(20, note("cancelled")).cancel();
  expect(clock.nextTimerMs()).toBe(10);
  await clock.advanceBy(29);
  expect(fired).toEqual(["first@10", "second@10"]);
  await clock.advanceBy(1);
  expect(fired).toEqual(["first@10", "second@10", "late@30"]);
  expect(clock.nextTimerMs()).toBeUndefined();
});

test("timers that are set while the virtual clock moves still fire in the same move", async () => {
  const clock = createVirtualClock(0);
  const wokenMs: number[] = [];
  const loop = (async () => {
    for (let round = 0; round < 3; round++) {
      await clock.sleep(10);
      wokenMs.push(clock.nowMs());
    }
  })();
  await clock.advanceBy(30);
  await loop;
  expect(wokenMs).toEqual([10, 20, 30]);
});

test("an aborted virtual sleep leaves no timer behind", async () => {
  const clock = createVirtualClock(0);
  const abort = new AbortController();
  const sleeping = clock.sleep(10, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(sleeping).rejects.toThrow("enough");
  expect(clock.nextTimerMs()).toBeUndefined();
});
