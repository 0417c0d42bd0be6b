import { expect, onTestFinished, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber, type HandlerContext, type SubscriberOptions } from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import type { DedupOptions, SubscribeOptions } from "./registry.js";
import { createTestStore, type TestStore } from "./test-store.js";

const schema = {
  type: "object",
  properties: { branch: { type: "string" }, commit: { type: "string" } },
} as const;
const Pushed = defineEvent("git.branch_pushed", { schema });
const Removed = defineEvent("git.branch_removed", { schema });
type Branch = { branch?: string; commit?: string };

test("ES-180 without dedup two equal facts are two facts", async () => {
  const made = await setUp({});
  expect(await publish(made, { branch: "main" }, { branch: "main" })).toEqual(["dispatched", "dispatched"]);
  await made.store.start();
  await made.runUntilIdle();
  expect(made.handled).toHaveLength(2);
});

test("ES-180 equal data is dropped while the first delivery waits, whatever the order of its members", async () => {
  const made = await setUp({ dedup: { until: "executing" } });
  expect(
    await publish(made, { branch: "main", commit: "c1" }, { commit: "c1", branch: "main" }, { branch: "main" }),
  ).toEqual(["dispatched", "deduplicated", "dispatched"]);
  await made.store.start();
  await made.runUntilIdle();
  expect(made.handled).toEqual([{ branch: "main", commit: "c1" }, { branch: "main" }]);
});

test("ES-180 until executing: once the first has started an equal one is accepted", async () => {
  const gate = held();
  const made = await setUp({ dedup: { until: "executing" } }, () => gate.promise);
  await made.store.start();
  await publish(made, { branch: "main" });
  await until(() => made.handled.length === 1);
  expect(await publish(made, { branch: "main" })).toEqual(["dispatched"]);
  gate.open();
  await made.runUntilIdle();
  expect(made.handled).toHaveLength(2);
});

test("ES-180 until executed: an equal one is dropped while the first runs, and accepted after it is done", async () => {
  const gate = held();
  const made = await setUp({ dedup: { until: "executed" } }, () => gate.promise);
  await made.store.start();
  await publish(made, { branch: "main" });
  await until(() => made.handled.length === 1);
  expect(await publish(made, { branch: "main" })).toEqual(["deduplicated"]);
  gate.open();
  await made.runUntilIdle();
  expect(await publish(made, { branch: "main" })).toEqual(["dispatched"]);
});

test("ES-180 until executed: the lock holds through retries and ends with a dead letter", async () => {
  const made = await setUp(
    { dedup: { until: "executed" } },
    async () => {
      throw new Error("no");
    },
    { retry: { maxAttempts: 2, jitter: 0 } },
  );
  await made.store.start();
  await publish(made, { branch: "main" });
  await made.runUntilIdle();
  expect(await publish(made, { branch: "main" })).toEqual(["deduplicated"]);
  await made.advanceBy(10_000);
  expect((await made.store.dead.list()).letters).toHaveLength(1);
  expect(await publish(made, { branch: "main" })).toEqual(["dispatched"]);
});

test("ES-180 type and subscription are part of what is equal", async () => {
  const made = await setUp({ dedup: { until: "executed" } });
  await made.store.publish(Pushed.create({ branch: "main" }));
  const receipt = await made.store.publish(Removed.create({ branch: "main" }));
  expect(receipt.decisions.map(({ subscription, decision }) => [subscription, decision])).toEqual([
    ["notes.worker/git.branch_removed", "dispatched"],
    ["audit.worker/git.branch_removed", "dispatched"],
  ]);
});

test("ES-180 dedup.key says what is equal", async () => {
  const made = await setUp({ dedup: { until: "executed", key: (event) => String(Object(event.data).branch) } });
  expect(
    await publish(
      made,
      { branch: "main", commit: "c1" },
      { branch: "main", commit: "c2" },
      { branch: "dev", commit: "c1" },
    ),
  ).toEqual(["dispatched", "deduplicated", "dispatched"]);
});

test("ES-180 the lock ends after ttlMs even if its delivery was never heard of again", async () => {
  for (const [ttlMs, dedup] of [
    [600_000, { until: "executed" }],
    [5_000, { until: "executing", ttlMs: 5_000 }],
  ] satisfies [number, DedupOptions][]) {
    const made = await setUp({ dedup });
    await publish(made, { branch: "main" });
    await made.advanceBy(ttlMs - 1);
    expect(await publish(made, { branch: "main" })).toEqual(["deduplicated"]);
    await made.advanceBy(1);
    expect(await publish(made, { branch: "main" })).toEqual(["dispatched"]);
  }
});

test("ES-180 the end of a delivery whose lock has passed on leaves the new lock alone", async () => {
  const gates = [held(), held()];
  const made = await setUp({ dedup: { until: "executed", ttlMs: 5_000 } }, async () => {
    await gates[made.handled.length - 1]?.promise;
  });
  await made.store.start();
  await publish(made, { branch: "main" });
  await until(() => made.handled.length === 1);
  await made.clock.advanceBy(5_000);
  expect(await publish(made, { branch: "main" })).toEqual(["dispatched"]);
  await until(() => made.handled.length === 2);
  gates[0]?.open();
  await until(async () => (await made.transport.depth("notes.worker")).running === 1);
  expect(await publish(made, { branch: "main" })).toEqual(["deduplicated"]);
  gates[1]?.open();
});

test("ES-180 deliveries with a delay are deduplicated only if that is asked for", async () => {
  const plain = await setUp({ delayMs: 1_000, dedup: { until: "executed" } });
  expect(await publish(plain, { branch: "main" }, { branch: "main" })).toEqual(["scheduled", "scheduled"]);
  const included = await setUp({ delayMs: 1_000, dedup: { until: "executed", includeDelayed: true } });
  expect(await publish(included, { branch: "main" }, { branch: "main" })).toEqual(["scheduled", "deduplicated"]);
});

test("ES-180 reschedule_once runs once more after the current run, however many were dropped", async () => {
  const gates = [held(), held(), held()];
  const made = await setUp({ dedup: { until: "executed", ifDuplicate: "reschedule_once" } }, async () => {
    await gates[made.handled.length - 1]?.promise;
  });
  await made.store.start();
  await publish(made, { branch: "main" });
  await until(() => made.handled.length === 1);
  expect(await publish(made, { branch: "main" }, { branch: "main" }, { branch: "main" })).toEqual(
    Array(3).fill("deduplicated"),
  );
  expect(made.handled).toHaveLength(1);
  gates[0]?.open();
  await until(() => made.handled.length === 2);
  expect(await publish(made, { branch: "main" })).toEqual(["deduplicated"]);
  for (const gate of gates) gate.open();
  await made.runUntilIdle();
  expect(made.handled).toHaveLength(3);
  await made.advanceBy(3_600_000);
  expect(made.handled).toHaveLength(3);
  expect(await publish(made, { branch: "main" })).toEqual(["dispatched"]);
});

test("ES-180 with drop nothing runs again for what was dropped", async () => {
  const gate = held();
  const made = await setUp({ dedup: { until: "executed" } }, () => gate.promise);
  await made.store.start();
  await publish(made, { branch: "main" });
  await until(() => made.handled.length === 1);
  await publish(made, { branch: "main" }, { branch: "main" });
  gate.open();
  await made.advanceBy(3_600_000);
  expect(made.handled).toHaveLength(1);
});

test("ES-180 what the transport did not take leaves no lock", async () => {
  const made = await setUp({ maxPending: { count: 1 }, dedup: { until: "executed" } });
  await publish(made, { branch: "main" });
  await expect(made.store.publish(Pushed.create({ branch: "dev" }))).rejects.toMatchObject({
    code: "EVT_TRANSPORT_FULL",
  });
  await made.transport.remove({ subscriber: "notes.worker" });
  expect(await publish(made, { branch: "dev" })).toEqual(["dispatched"]);
});

test("ES-180 a duplicate by id is no duplicate by data", async () => {
  const made = await setUp({ dedup: { until: "executed" } });
  const event = Pushed.create({ branch: "main" });
  await made.store.publish(event);
  expect((await made.store.publish(event)).decisions[0]?.decision).toBe("duplicate");
});

type Handler = (event: DomainEvent<Branch>, context: HandlerContext) => Promise<void>;

interface Made extends TestStore {
  readonly handled: unknown[];
}

async function setUp(
  subscribe: Partial<SubscribeOptions<Branch>>,
  handler: Handler = async () => {},
  options: Omit<SubscriberOptions<Branch>, "handle"> = {},
): Promise<Made> {
  const handled: unknown[] = [];
  const Worker = defineSubscriber<Branch>("notes.worker", {
    ...options,
    async handle(event, context) {
      handled.push(event.data);
      await handler(event, context);
    },
  });
  const Other = defineSubscriber<Branch>("audit.worker", { handle: async () => {} });
  const made = createTestStore({
    configure(registry) {
      registry.subscribe(Worker, { ...subscribe, to: [Pushed, Removed] });
      registry.subscribe(Other, { to: [Removed], ...(subscribe.dedup && { dedup: subscribe.dedup }) });
    },
  });
  onTestFinished(async () => {
    await Promise.all([made.store.stop(), made.clock.advanceBy(60_000)]);
  });
  return { ...made, handled };
}

/** Publishes one after the other and says what `notes.worker` got of it. */
async function publish({ store }: TestStore, ...branches: Branch[]): Promise<unknown[]> {
  const decisions: unknown[] = [];
  for (const branch of branches) decisions.push((await store.publish(Pushed.create(branch))).decisions[0]?.decision);
  return decisions;
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
