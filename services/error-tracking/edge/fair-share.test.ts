import { createVirtualClock, silentLogger } from "@signalbox/kernel";
import { expect, onTestFinished, test } from "vitest";
import { createFairShare } from "./fair-share.js";

async function open(highWater = 1000) {
  const clock = createVirtualClock(0);
  let pending = 0;
  const share = createFairShare({ countPending: async () => pending, highWater, clock, logger: silentLogger });
  await share.service.start();
  onTestFinished(() => share.service.stop());
  return {
    share,
    clock,
    /** So many events of each project, then time for a look. */
    async send(events: Readonly<Record<number, number>>, waiting: number, passMs = 2000): Promise<void> {
      pending = waiting;
      for (const [projectId, count] of Object.entries(events))
        for (let sent = 0; sent < count; sent++) share.note(Number(projectId));
      await clock.advanceBy(passMs);
    },
    held: () => [1, 2, 3].filter((projectId) => share.pauseMs(projectId) !== undefined),
  };
}

test("ET-096 beyond the high water who sent more than an equal share is held back, until half of it waits", async () => {
  const { send, held, share } = await open();
  await send({ 1: 900, 2: 50, 3: 50 }, 1000);
  expect(held()).toEqual([]);
  await send({ 1: 1, 2: 1 }, 1001);
  expect(held()).toEqual([1]);
  expect(share.pauseMs(1)).toBe(10_000);
  await send({ 2: 1 }, 501);
  expect(held()).toEqual([1]);
  await send({ 2: 1 }, 500);
  expect(held()).toEqual([]);
  await send({ 1: 1 }, 999);
  expect(held()).toEqual([]);
});

test("ET-096 only the last minute counts", async () => {
  const { send, held } = await open();
  await send({ 1: 900, 2: 100 }, 2000);
  expect(held()).toEqual([1]);
  await send({ 2: 150, 3: 100 }, 2000, 58_000);
  await send({}, 2000, 10_000);
  expect(held()).toEqual([]);
  await send({ 2: 200, 3: 100 }, 2000);
  expect(held()).toEqual([2]);
});

test("ET-096 a project that is alone is not held back, nor are projects that share alike", async () => {
  const { send, held } = await open();
  await send({ 1: 5000 }, 5000);
  expect(held()).toEqual([]);
  await send({ 2: 5000 }, 9000);
  expect(held()).toEqual([]);
});
