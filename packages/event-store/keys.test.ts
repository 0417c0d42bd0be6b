import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber, type HandlerContext, type SubscriberOptions } from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import { createEventStore } from "./event-store.js";
import type { SubscribeOptions } from "./registry.js";
import { createTestStore, type TestStore } from "./test-store.js";

const schema = {
  type: "object",
  required: ["branch", "step"],
  properties: { branch: { type: "string" }, step: { type: "integer" } },
} as const;
const Pushed = defineEvent("git.branch_pushed", { schema });
const Merged = defineEvent("git.branch_merged", { schema });
type Step = { branch: string; step: number };

test("ES-183 whatever fails, the deliveries of a key never overlap and keep their order", async () => {
  const step = fc.record({
    branch: fc.constantFrom("a", "b", "c"),
    failures: fc.integer({ min: 0, max: 2 }),
    lastsMs: fc.integer({ min: 0, max: 50 }),
    merged: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      const made = await setUp({ key: branchOf }, async ({ data }, { attempt }) => {
        const { failures, lastsMs } = steps[data.step] ?? { failures: 0, lastsMs: 0 };
        await made.clock.sleep(lastsMs);
        if (attempt <= failures) throw new Error("not yet");
      });
      await made.store.start();
      for (const [index, { branch, merged }] of steps.entries())
        await made.store.publish((merged ? Merged : Pushed).create({ branch, step: index }));
      await made.advanceBy(600_000);
      await made.store.stop();
      expect(made.overlaps()).toEqual([]);
      for (const branch of ["a", "b", "c"])
        expect(made.done.filter((one) => one.branch === branch).map((one) => one.step)).toEqual(
          steps.flatMap((one, index) => (one.branch === branch ? [index] : [])),
        );
    }),
    { numRuns: 30 },
  );
});

test("ES-183 other keys and deliveries without a key run beside a key", async () => {
  const gate = held();
  const made = await setUp({ key: branchOf }, async ({ data }) => {
    if (data.branch === "a") await gate.promise;
  });
  await made.store.start();
  await publish(made, ["a", 1], ["a", 2], ["b", 1], ["c", 1]);
  await until(() => made.done.length === 2);
  await until(async () => (await made.transport.depth("notes.worker")).running === 1);
  expect(made.done.map(({ branch }) => branch)).toEqual(["b", "c"]);
  expect(await made.transport.depth("notes.worker")).toMatchObject({ running: 1, blocked: 1 });
  gate.open();
  await made.runUntilIdle();
  expect(made.done).toHaveLength(4);
});

test("a subscription that wants no order does not wait for the key that its events have", async () => {
  const gate = held();
  const made = await setUp({ key: null }, async ({ data }) => {
    if (data.step === 1) await gate.promise;
  });
  await made.store.start();
  for (const step of [1, 2, 3]) await made.store.publish(Pushed.create({ branch: "a", step }, { key: "a" }));
  await until(() => made.done.length === 2);
  expect(made.done.map(({ step }) => step)).toEqual([2, 3]);
  expect(made.store.describe().subscriptions.map(({ hasKey }) => hasKey)).toEqual([false, false]);
  gate.open();
  await made.runUntilIdle();
  expect(made.done).toHaveLength(3);
});

test("ES-183 a waiting retry keeps its key waiting, and others not", async () => {
  const made = await setUp({ key: branchOf }, async ({ data }, { attempt }) => {
    if (data.branch === "a" && data.step === 1 && attempt === 1) throw new Error("not yet");
  });
  await made.store.start();
  await publish(made, ["a", 1], ["a", 2], ["b", 1]);
  await made.runUntilIdle();
  expect(made.done.map(({ branch }) => branch)).toEqual(["b"]);
  await made.advanceBy(1_000);
  expect(made.done.slice(1).map(({ step }) => step)).toEqual([1, 2]);
});

test("ES-183 a dead letter releases its key", async () => {
  const made = await setUp({ key: branchOf }, async ({ data }) => {
    if (data.step === 1) throw Object.assign(new Error("never"), { retryable: false });
  });
  await made.store.start();
  await publish(made, ["a", 1], ["a", 2]);
  await made.runUntilIdle();
  expect(made.done).toEqual([{ branch: "a", step: 2 }]);
});

test("ES-183 a discarded delivery releases its key", async () => {
  const made = await setUp(
    { key: branchOf },
    async ({ data }) => {
      if (data.step === 1) throw new Error("never");
    },
    { retry: { decide: () => "discard" } },
  );
  await made.store.start();
  await publish(made, ["a", 1], ["a", 2]);
  await made.runUntilIdle();
  expect(made.done).toEqual([{ branch: "a", step: 2 }]);
});

test("ES-183 one key goes through all events of a subscriber", async () => {
  const gate = held();
  const made = await setUp({ key: branchOf }, async ({ data }) => {
    if (data.step === 1) await gate.promise;
  });
  await made.store.start();
  await made.store.publish(Pushed.create({ branch: "a", step: 1 }));
  await made.store.publish(Merged.create({ branch: "a", step: 2 }));
  await until(() => made.running.length === 1);
  expect(await made.transport.depth("notes.worker")).toMatchObject({ running: 1, blocked: 1 });
  gate.open();
  await made.runUntilIdle();
  expect(made.done.map(({ step }) => step)).toEqual([1, 2]);
});

test("ES-183 a delayed delivery keeps the later ones of its key waiting", async () => {
  const made = await setUp({ key: branchOf, delayMs: 5_000 });
  await made.store.start();
  await publish(made, ["a", 1]);
  await made.advanceBy(2_000);
  await publish(made, ["a", 2]);
  await made.advanceBy(2_999);
  expect(made.done).toEqual([]);
  await made.advanceBy(2_001);
  expect(made.done.map(({ step }) => step)).toEqual([1, 2]);
});

test("ES-183 the order holds when a stopping process hands a delivery back", async () => {
  const made = await setUp({ key: branchOf }, () => new Promise(() => {}));
  await made.store.start();
  await publish(made, ["a", 1], ["a", 2], ["a", 3]);
  await until(() => made.running.length === 1);
  const order: number[] = [];
  const Other = defineSubscriber<Step>("notes.worker", { handle: async ({ data }) => void order.push(data.step) });
  const other = createEventStore({
    transport: made.transport,
    clock: made.clock,
    source: "other",
    configure: (registry) => registry.subscribe(Other, { to: [Pushed, Merged], key: branchOf }),
  });
  await other.start();
  await Promise.all([made.store.stop({ deadlineMs: 3_000 }), made.clock.advanceBy(3_000)]);
  await made.runUntilIdle();
  expect(order).toEqual([1, 2, 3]);
  await other.stop();
});

test("ES-179 perKey lets that many deliveries of one key run at once", async () => {
  const gate = held();
  const made = await setUp({ key: branchOf, concurrency: { perKey: 2 } }, () => gate.promise);
  await made.store.start();
  await publish(made, ["a", 1], ["a", 2], ["a", 3], ["b", 1]);
  await until(() => made.running.length === 3);
  expect(await made.transport.depth("notes.worker")).toMatchObject({ running: 3, blocked: 1 });
  gate.open();
  await made.runUntilIdle();
  expect(made.done).toHaveLength(4);
});

interface Made extends TestStore {
  readonly running: Step[];
  readonly done: Step[];
  /** Pairs of one key that ran at the same time. */
  overlaps(): [Step, Step][];
}

async function setUp(
  subscribe: Partial<SubscribeOptions<Step>>,
  handler: (event: DomainEvent<Step>, context: HandlerContext) => Promise<void> = async () => {},
  options: Omit<SubscriberOptions<Step>, "handle"> = {},
): Promise<Made> {
  const running: Step[] = [];
  const done: Step[] = [];
  const overlaps: [Step, Step][] = [];
  const Worker = defineSubscriber<Step>("notes.worker", {
    retry: { jitter: 0 },
    ...options,
    async handle(event, context) {
      const { data } = event;
      for (const other of running) if (other.branch === data.branch) overlaps.push([other, data]);
      running.push(data);
      try {
        await handler(event, context);
        done.push(data);
      } finally {
        running.splice(running.indexOf(data), 1);
      }
    },
  });
  const made = createTestStore({
    configure: (registry) => registry.subscribe(Worker, { ...subscribe, to: [Pushed, Merged] }),
  });
  onTestFinished(async () => {
    await Promise.all([made.store.stop(), made.clock.advanceBy(60_000)]);
  });
  return { ...made, running, done, overlaps: () => overlaps };
}

function branchOf({ data }: DomainEvent<Step>): string {
  return data.branch;
}

async function publish({ store }: TestStore, ...steps: [branch: string, step: number][]): Promise<void> {
  for (const [branch, step] of steps) await store.publish(Pushed.create({ branch, step }));
}

function held(): { readonly promise: Promise<void>; open(): void } {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open: () => open() };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await condition()); turn++) {
    if (turn > 1_000) throw new Error("it did not come to that");
    await new Promise(setImmediate);
  }
}
