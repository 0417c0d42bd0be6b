import { createVirtualClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { createBreaker } from "./breaker.js";

test("XP-087 requests of other lanes that fail while it is open do not hold the probe back", async () => {
  const clock = createVirtualClock();
  const breaker = createBreaker(clock);
  for (let index = 0; index < 5; index++) breaker.failed();
  let passed = false;
  void breaker.pass(new AbortController().signal).then(() => {
    passed = true;
  });
  await clock.advanceBy(3_000);
  breaker.failed();
  breaker.open();
  await clock.advanceBy(1_999);
  expect(passed).toBe(false);
  await clock.advanceBy(1);
  expect(passed).toBe(true);
});

test("XP-087 who waits for a probe goes on when the client stops", async () => {
  const clock = createVirtualClock();
  const breaker = createBreaker(clock);
  breaker.open();
  const stopping = new AbortController();
  const waiting = breaker.pass(stopping.signal);
  await clock.advanceBy(1_000);
  stopping.abort();
  await waiting;
  expect(clock.nextTimerMs()).toBeUndefined();
});
