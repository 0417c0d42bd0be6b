import { createVirtualClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { Presence } from "./presence.js";

function looking() {
  const clock = createVirtualClock();
  let sleptMs = 0;
  const presence = new Presence({ ...clock, nowMs: () => clock.nowMs() + sleptMs });
  return {
    presence,
    nowMs: () => clock.nowMs() + sleptMs,
    /** Timers stand still meanwhile. */
    sleep: (durationMs: number) => (sleptMs += durationMs),
    async live(durationMs: number) {
      for (let left = durationMs; left > 0; left -= 2_000) {
        await clock.advanceBy(Math.min(left, 2_000));
        presence.look();
      }
    },
  };
}

test("GR-331 what is lost while the process looks is lost now, also when it was busy for a while", async () => {
  const { presence, nowMs, live, sleep } = looking();
  await live(60_000);
  expect(presence.lostSince()).toBe(nowMs());
  sleep(25_000);
  expect(presence.lostSince()).toBe(nowMs());
});

test("GR-331 what is lost within two minutes after an absence may have been lost since it began", async () => {
  const { presence, nowMs, live, sleep } = looking();
  await live(60_000);
  const beganMs = nowMs();
  sleep(600_000);
  expect(presence.lostSince()).toBe(beganMs);
  await live(118_000);
  expect(presence.lostSince()).toBe(beganMs);
  await live(2_000);
  expect(presence.lostSince()).toBe(nowMs());
});

test("GR-331 a clock that was set back is no absence", async () => {
  const { presence, nowMs, live, sleep } = looking();
  await live(60_000);
  sleep(-600_000);
  expect(presence.lostSince()).toBe(nowMs());
});
