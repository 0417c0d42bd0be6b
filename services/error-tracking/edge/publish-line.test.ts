import { createVirtualClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { PublishLine } from "./publish-line.js";

function createLine() {
  const clock = createVirtualClock();
  const line = new PublishLine(clock, 1_500);
  /** Joins; what it gives ends it. */
  const join = () => {
    let end = (): void => {};
    let fail = (): void => {};
    const ended = line.join(
      () =>
        new Promise<void>((resolve, reject) => {
          end = resolve;
          fail = () => reject(new Error("away"));
        }),
    );
    return {
      take: () => {
        end();
        return ended;
      },
      refuse: async () => {
        fail();
        await expect(ended).rejects.toThrow("away");
      },
    };
  };
  return { clock, line, join };
}

test("ET-012 a line is too long while who was taken last had waited too long, and who is first now has", async () => {
  const { clock, line, join } = createLine();
  const [first, second, third] = [join(), join(), join()];
  await clock.advanceBy(1_000);
  await first.take();
  expect([line.waitedMs, line.isTooLong]).toEqual([1_000, false]);
  await clock.advanceBy(600);
  // Nobody was taken late so far.
  expect([line.waitedMs, line.isTooLong]).toEqual([1_600, false]);
  await second.take();
  expect(line.isTooLong).toBe(true);
  await third.take();
  expect([line.waitedMs, line.isTooLong]).toEqual([0, false]);
});

test("ET-012 however many come at once, those who wait a moment make no line that is too long", async () => {
  const { clock, line, join } = createLine();
  const burst = Array.from({ length: 10_000 }, join);
  await clock.advanceBy(1_400);
  for (const { take } of burst) {
    expect(line.isTooLong).toBe(false);
    await take();
  }
});

test("ET-012 a transport that takes nothing is no line, and neither is one event that is never answered", async () => {
  const { clock, line, join } = createLine();
  const stuck = join();
  await clock.advanceBy(5_000);
  expect(line.isTooLong).toBe(false);
  const next = join();
  await clock.advanceBy(10);
  await next.take();
  expect([line.waitedMs, line.isTooLong]).toEqual([5_010, false]);
  await stuck.refuse();
  expect(line.waitedMs).toBe(0);
});
