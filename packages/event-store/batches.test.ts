import { expect, onTestFinished, test } from "vitest";
import { defineEvent } from "./define-event.js";
import {
  type BatchResult,
  defineSubscriber,
  type HandlerContext,
  type SubscriberOptions,
} from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import { createTestStore, type TestStore } from "./test-store.js";

const schema = { type: "object", required: ["job_id"], properties: { job_id: { type: "integer" } } } as const;
const JobFinished = defineEvent("ci.job_finished", { schema });
const JobStarted = defineEvent("ci.job_started", { schema });
type Job = { job_id: number };

test("ES-175 single publishes are handled together, at most 256 in a call", async () => {
  const made = await started({});
  await publish(made, 1, 600);
  await made.runUntilIdle();
  expect(made.calls.map(({ length }) => length)).toEqual([256, 256, 88]);
  expect(made.calls.flat()).toEqual(range(1, 600));
});

test("ES-175 batch.maxSize is the most in a call", async () => {
  const made = await started({ batch: { maxSize: 4 } });
  await publish(made, 1, 10);
  await made.runUntilIdle();
  expect(made.calls.flat().sort((left, right) => left - right)).toEqual(range(1, 10));
  for (const call of made.calls) expect(call.length).toBeLessThanOrEqual(4);
});

test("ES-175 a batch that is not full waits 20 ms for more, and not longer", async () => {
  const made = await started({});
  await publish(made, 1, 2);
  await quietly(made, 19);
  expect(made.calls).toEqual([]);
  await publish(made, 3, 3);
  await quietly(made, 1);
  expect(made.calls).toEqual([[1, 2, 3]]);
});

test("ES-175 batch.maxWaitMs is how long it waits", async () => {
  const patient = await started({ batch: { maxWaitMs: 5_000 } });
  await publish(patient, 1, 2);
  await quietly(patient, 4_999);
  expect(patient.calls).toEqual([]);
  await quietly(patient, 1);
  expect(patient.calls).toEqual([[1, 2]]);
  const hasty = await started({ batch: { maxWaitMs: 0 } });
  await publish(hasty, 1, 1);
  await quietly(hasty, 0);
  expect(hasty.calls).toEqual([[1]]);
});

test("ES-175 a full batch waits for nothing", async () => {
  const made = await started({ batch: { maxSize: 3, maxWaitMs: 60_000 } });
  await publish(made, 1, 3);
  await quietly(made, 0);
  expect(made.calls).toEqual([[1, 2, 3]]);
});

test("ES-033 batch.maxBytes bounds the encoded events of a call, but for a single larger one", async () => {
  const probe = await started({});
  const bytes = Buffer.byteLength(probe.store.encodeEvent(JobFinished.create({ job_id: 1 })));
  const made = await started({ batch: { maxBytes: Math.floor(bytes * 2.5), maxWaitMs: 60_000 } });
  await publish(made, 1, 5);
  await made.runUntilIdle();
  expect(made.calls).toEqual([[1, 2], [3, 4], [5]]);
  const tight = await started({ batch: { maxBytes: 10 } });
  await publish(tight, 1, 2);
  await tight.runUntilIdle();
  expect(tight.calls).toEqual([[1], [2]]);
});

test("ES-033 a batch that has its bytes waits for nothing", async () => {
  const probe = await started({});
  const bytes = Buffer.byteLength(probe.store.encodeEvent(JobFinished.create({ job_id: 1 })));
  const made = await started({ batch: { maxBytes: bytes * 2, maxWaitMs: 60_000 } });
  await publish(made, 1, 2);
  await quietly(made, 0);
  expect(made.calls).toEqual([[1, 2]]);
});

test("ES-175 ES-134 what is named in `failed` is retried, the rest is done, each by itself", async () => {
  const made = await started({}, async (events, { attempt }) => ({
    failed:
      attempt > 1 ? [] : [...events.keys()].filter((index) => index % 2 === 0).map((index) => ({ index, error: 1 })),
  }));
  await publish(made, 1, 5);
  await made.runUntilIdle();
  expect(await made.transport.depth("notes.worker")).toMatchObject({ ready: 0, scheduled: 3, running: 0 });
  await made.advanceBy(60_000);
  expect(made.calls[0]).toEqual(range(1, 5));
  expect(made.calls.slice(1).flat().sort()).toEqual([1, 3, 5]);
  expect(await made.transport.depth("notes.worker")).toMatchObject({ ready: 0, scheduled: 0, running: 0 });
});

test("ES-175 each event of a failed call has attempts of its own", async () => {
  const made = await started({ retry: { maxAttempts: 2, jitter: 0 } }, async (events) => {
    if (events.some(({ data }) => data.job_id === 1)) throw new Error("no");
  });
  const [first] = await publish(made, 1, 1);
  await made.runUntilIdle();
  await publish(made, 2, 2);
  await made.runUntilIdle();
  await made.advanceBy(60_000);
  const { letters } = await made.store.dead.list();
  expect(letters).toMatchObject([{ id: `${first?.id}.notes.worker/ci.job_finished`, reason: "exhausted" }]);
  expect(letters[0]?.attempts).toHaveLength(2);
});

test("ES-165 an event that cannot be read dies alone; the handler gets the others", async () => {
  const made = await started({ batch: { maxWaitMs: 60_000 } });
  const wire = JSON.parse(made.store.encodeEvent(JobFinished.create({ job_id: 2 })));
  await publish(made, 1, 1);
  await made.transport.enqueue([
    {
      id: "broken",
      subscriber: "notes.worker",
      subscription: "notes.worker/ci.job_finished",
      eventType: JobFinished.type,
      body: JSON.stringify({ ...wire, data: { job_id: "two" } }),
      ...{ key: null, perKey: 1, dueAtMs: 0, maxPending: null, dedup: null },
    },
  ]);
  await publish(made, 3, 3);
  await made.runUntilIdle();
  expect(made.calls).toEqual([[1, 3]]);
  expect((await made.store.dead.list()).letters).toMatchObject([{ reason: "invalid_event" }]);
});

test("ES-175 a batch holds events of all the subscriber's definitions", async () => {
  const types: string[][] = [];
  const made = await started({ batch: { maxWaitMs: 60_000 } }, async (events) => {
    types.push(events.map(({ type }) => type));
  });
  await made.store.publish(JobStarted.create({ job_id: 1 }));
  await made.store.publish(JobFinished.create({ job_id: 1 }));
  await made.runUntilIdle();
  expect(types).toEqual([["ci.job_started", "ci.job_finished"]]);
});

test("ES-175 an empty result, no result and an empty list mean that all is done", async () => {
  for (const result of [undefined, { failed: [] }]) {
    const made = await started({}, async () => result);
    await publish(made, 1, 3);
    await made.runUntilIdle();
    expect(await made.transport.depth("notes.worker")).toMatchObject({ ready: 0, scheduled: 0, running: 0 });
  }
});

type HandleBatch = (events: readonly DomainEvent<Job>[], context: HandlerContext) => Promise<BatchResult | undefined>;

interface Made extends TestStore {
  /** Ids of the jobs of each call. */
  readonly calls: number[][];
}

async function started(
  options: SubscriberOptions<Job>,
  handler: HandleBatch | ((...args: Parameters<HandleBatch>) => Promise<void>) = async () => {},
): Promise<Made> {
  const calls: number[][] = [];
  const Worker = defineSubscriber<Job>("notes.worker", {
    retry: { jitter: 0 },
    concurrency: 1,
    ...options,
    async handleBatch(events, context) {
      calls.push(events.map(({ data }) => data.job_id));
      return handler(events, context);
    },
  });
  const test = createTestStore({
    configure: (registry) => registry.subscribe(Worker, { to: [JobStarted, JobFinished] }),
  });
  onTestFinished(() => test.store.stop());
  await test.store.start();
  return { ...test, calls };
}

async function publish({ store }: TestStore, first: number, last: number): Promise<DomainEvent<Job>[]> {
  const events = range(first, last).map((job_id) => JobFinished.create({ job_id }));
  await Promise.all(events.map((event) => store.publish(event)));
  return events;
}

/** Lets time pass without telling anybody that nothing more is coming. */
async function quietly({ clock }: TestStore, durationMs: number): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  await clock.advanceBy(durationMs);
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
