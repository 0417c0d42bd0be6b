import { expect, onTestFinished, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import { createEventStore } from "./event-store.js";
import type { Configure } from "./registry.js";
import { createTestStore, type TestStore, type TestStoreOptions } from "./test-store.js";
import { refillTokens, takeTokens } from "./transports/token-bucket.js";

const Asked = defineEvent("api.call_asked", { schema: { type: "object" } });

test("ES-185 a bucket is full at first, refills evenly and never holds more than max", () => {
  const bucket = { max: 4, perMs: 1_000, tokens: 4, atMs: 0 };
  takeTokens(bucket, 4);
  expect(refillTokens(bucket, 0)).toBe(0);
  expect(refillTokens(bucket, 250)).toBe(1);
  expect(refillTokens(bucket, 375)).toBe(1.5);
  expect(refillTokens(bucket, 60_000)).toBe(4);
});

test("ES-185 a clock that goes back takes nothing away", () => {
  const bucket = { max: 4, perMs: 1_000, tokens: 2, atMs: 1_000 };
  expect(refillTokens(bucket, 500)).toBe(2);
  expect(refillTokens(bucket, 750)).toBe(3);
});

test("ES-185 a burst of max is handled at once, the rest one by one as the bucket refills", async () => {
  const { made, handledAfterMs } = await setUp({ max: 2, perMs: 1_000 });
  await publish(made, 5);
  await made.advanceBy(10_000);
  expect(handledAfterMs).toEqual([0, 0, 500, 1_000, 1_500]);
});

test.each([
  [3, 1_000],
  [7, 1_000],
  [1, 333],
  [1_000, 60_000],
])("ES-185 %i per %i ms is kept over any time, and goes on", async (max, perMs) => {
  const { made, handledAfterMs } = await setUp({ max, perMs });
  const count = max + 20;
  await publish(made, count);
  await made.advanceBy(Math.ceil((21 * perMs) / max));
  expect(handledAfterMs).toHaveLength(count);
  for (const [index, atMs] of handledAfterMs.entries()) {
    const earliestMs = ((index + 1 - max) * perMs) / max;
    expect(atMs).toBeGreaterThanOrEqual(Math.floor(earliestMs));
  }
});

test("ES-185 waiting costs no attempt", async () => {
  const attempts: number[] = [];
  const Worker = defineSubscriber("api.worker", {
    rateLimit: { max: 1, perMs: 60_000 },
    handle: async (_, { attempt }) => void attempts.push(attempt),
  });
  const made = started((registry) => registry.subscribe(Worker, { to: Asked }));
  await made.store.start();
  await publish(made, 3);
  await made.advanceBy(3_600_000);
  expect(attempts).toEqual([1, 1, 1]);
});

test("ES-185 waiting costs no slot", async () => {
  const handled: string[] = [];
  const Limited = defineSubscriber("api.limited", {
    rateLimit: { max: 1, perMs: 60_000 },
    handle: async () => void handled.push("limited"),
  });
  const Free = defineSubscriber("api.free", { handle: async () => void handled.push("free") });
  const configure: Configure = (registry) => {
    registry.subscribe(Limited, { to: Asked });
    registry.subscribe(Free, { to: Asked });
  };
  const made = started(configure, { limits: { slots: 1 } });
  await made.store.start();
  await publish(made, 3);
  await made.runUntilIdle();
  expect(handled.filter((name) => name === "free")).toHaveLength(3);
  expect(handled.filter((name) => name === "limited")).toHaveLength(1);
});

test("ES-185 two stores on one transport share the bucket", async () => {
  let handled = 0;
  const Worker = defineSubscriber("api.worker", {
    rateLimit: { max: 4, perMs: 60_000 },
    handle: async () => void handled++,
  });
  const configure: Configure = (registry) => registry.subscribe(Worker, { to: Asked });
  const made = started(configure);
  const { transport, clock } = made;
  const other = createEventStore({ transport, clock, source: "other", configure });
  await Promise.all([made.store.start(), other.start()]);
  await publish(made, 10);
  await made.runUntilIdle();
  expect(handled).toBe(4);
  await made.advanceBy(60_000);
  expect(handled).toBe(8);
  await other.stop();
});

async function setUp(rateLimit: { max: number; perMs: number }) {
  const handledAfterMs: number[] = [];
  const Worker = defineSubscriber("api.worker", {
    rateLimit,
    handle: async () => void handledAfterMs.push(made.clock.nowMs() - startMs),
  });
  const made = started((registry) => registry.subscribe(Worker, { to: Asked }));
  const startMs = made.clock.nowMs();
  await made.store.start();
  return { made, handledAfterMs };
}

function started(configure: Configure, options: Partial<TestStoreOptions> = {}): TestStore {
  const made = createTestStore({ ...options, configure });
  onTestFinished(() => made.store.stop());
  return made;
}

async function publish({ store }: TestStore, count: number): Promise<void> {
  for (let event = 0; event < count; event++) await store.publish(Asked.create({}));
}
