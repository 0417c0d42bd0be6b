import { expect, onTestFinished, test } from "vitest";
import { type Configure, createEventStore, createMemoryTransport, defineEvent, defineSubscriber } from "./index.js";
import { createTestStore } from "./testing.js";

const made = defineEvent("ci.made", { schema: { type: "object" } });
const keyed = defineEvent("ci.keyed", { schema: { type: "object" }, key: ({ key }: { key?: string }) => key ?? "one" });

const worker = (name: string, handle: () => Promise<void> = async () => {}) =>
  defineSubscriber(name, { handle, retry: { baseMs: 60_000, jitter: 0 } });

function setUp(configure: Configure) {
  const store = createTestStore({ configure });
  onTestFinished(() => store.store.stop());
  return store;
}

test("ES-450 queues are listed in order of registration with what waits in them", async () => {
  const { store } = setUp((registry) => {
    registry.subscribe(worker("b.second"), { to: made });
    registry.subscribe(worker("a.first"), { to: made, delayMs: 1_000 });
  });
  await store.publish(made.create({}));
  await store.pause("a.first");
  expect(await store.queues.list()).toMatchObject([
    { subscriber: "b.second", declared: true, paused: false, depth: { ready: 1, scheduled: 0 } },
    { subscriber: "a.first", declared: true, paused: true, depth: { ready: 0, scheduled: 1 } },
  ]);
  expect(await store.queues.get("a.first")).toMatchObject({ paused: true });
  expect(await store.queues.get("nobody.here")).toBeNull();
});

test("ES-188 ES-450 what a subscriber left behind that there is not any more is listed, and goes by command only", async () => {
  const transport = createMemoryTransport({});
  const configureOf =
    (name: string): Configure =>
    (registry) =>
      registry.subscribe(worker(name), { to: made });
  const old = createEventStore({ transport, source: "/old", configure: configureOf("old.worker") });
  await old.publish(made.create({}));
  await old.publish(made.create({}));
  const now = createEventStore({ transport, source: "/new", configure: configureOf("new.worker") });
  await now.start();
  expect(await now.queues.list()).toMatchObject([
    { subscriber: "new.worker", declared: true },
    { subscriber: "old.worker", declared: false, depth: { ready: 2 } },
  ]);
  expect(await now.queues.get("old.worker")).toMatchObject({ declared: false });
  expect(await now.queues.purge("old.worker")).toBe(2);
  expect(await now.queues.list()).toHaveLength(1);
  await Promise.all([now.stop(), old.stop()]);
});

test("ES-184 keys whose deliveries wait are told with the delivery that they wait for", async () => {
  const { store, runUntilIdle, clock } = setUp((registry) => {
    const failing = worker("a.first", async () => {
      throw new Error("later");
    });
    registry.subscribe(failing, { to: keyed });
  });
  await store.start();
  const first = keyed.create({ key: "two" });
  await store.publish(first);
  await runUntilIdle();
  for (const key of ["two", "two", "three"]) await store.publish(keyed.create({ key }));
  await runUntilIdle();
  expect(await store.queues.blockedKeys("a.first")).toEqual([
    {
      key: "two",
      waiting: 2,
      blocking: {
        deliveryId: `${first.id}.a.first/ci.keyed`,
        attempts: 1,
        dueAtMs: clock.nowMs() + 60_000,
      },
    },
  ]);
  expect(await store.queues.blockedKeys("nobody.here")).toEqual([]);
});

test("ES-184 at most 100 keys are told, those with most waiting first", async () => {
  const { store } = setUp((registry) => registry.subscribe(worker("a.first"), { to: keyed }));
  for (let key = 0; key < 120; key++)
    for (let count = 0; count < (key === 77 ? 4 : 2); count++) await store.publish(keyed.create({ key: `key ${key}` }));
  const keys = await store.queues.blockedKeys("a.first");
  expect(keys).toHaveLength(100);
  expect(keys[0]).toMatchObject({ key: "key 77", waiting: 3, blocking: { attempts: 0 } });
});
