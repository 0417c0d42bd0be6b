import { createVirtualClock, systemClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { createShutdown } from "./shutdown.js";

test("runs last opened first, once, however often it is called", async () => {
  const order: string[] = [];
  const shutdown = createShutdown(createVirtualClock(), 1_000);
  shutdown.add(() => void order.push("database"));
  shutdown.add(async () => {
    await Promise.resolve();
    order.push("http");
  });
  await Promise.all([shutdown.run(), shutdown.run()]);
  expect(order).toEqual(["http", "database"]);
});

test("a step that fails does not keep the others from running", async () => {
  const order: string[] = [];
  const shutdown = createShutdown(createVirtualClock(), 1_000);
  shutdown.add(() => void order.push("database"));
  shutdown.add(() => Promise.reject(new Error("no")));
  await expect(shutdown.run()).rejects.toMatchObject({ errors: [new Error("no")] });
  expect(order).toEqual(["database"]);
});

test("tells background work first, and each step what is left of the deadline", async () => {
  const clock = createVirtualClock();
  const shutdown = createShutdown(clock, 1_000);
  const left: number[] = [];
  await clock.advanceBy(5_000);
  shutdown.add(() => void left.push(shutdown.remainingMs));
  shutdown.add(() => clock.advanceBy(700));
  shutdown.add(() => {
    expect(shutdown.signal.aborted).toBe(true);
    left.push(shutdown.remainingMs);
  });
  await shutdown.run();
  expect(left).toEqual([1_000, 300]);
});

test("a hurried end closes the engines alone", async () => {
  const closed: string[] = [];
  const shutdown = createShutdown(createVirtualClock(), 1_000);
  shutdown.add(() => void closed.push("database"));
  shutdown.addEngine(() => void closed.push("engine"));
  shutdown.add(() => new Promise(() => {}));
  void shutdown.run();
  await shutdown.abandon();
  expect(closed).toEqual(["engine"]);
});

test("what is left of the deadline is whole milliseconds, as deadlines have to be", async () => {
  const shutdown = createShutdown(systemClock, 10_000);
  shutdown.begin();
  await systemClock.sleep(1);
  expect(Number.isInteger(shutdown.remainingMs)).toBe(true);
});
