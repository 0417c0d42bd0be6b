import type { Metrics } from "@signalbox/kernel";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber, type HandlerContext, type SubscriberOptions } from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import { createEventStore } from "./event-store.js";
import type { Configure } from "./registry.js";
import { createTestStore, type TestStore, type TestStoreOptions } from "./test-store.js";

const JobFinished = defineEvent("ci.job_finished", {
  schema: { type: "object", required: ["job_id"], properties: { job_id: { type: "integer" } } },
});
type Job = { job_id: number };

// Start

test("ES-187 starting twice, also at once, is one start", async () => {
  const made = setUp({});
  const consume = vi.spyOn(made.transport, "consume");
  await Promise.all([made.store.start(), made.store.start()]);
  await made.store.start();
  expect(consume).toHaveBeenCalledTimes(1);
});

test("ES-187 a start that failed may be repeated", async () => {
  const made = setUp({});
  vi.spyOn(made.transport, "open").mockRejectedValueOnce(new Error("away"));
  await expect(made.store.start()).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNAVAILABLE", retryable: true });
  await made.store.start();
  await publish(made, 1);
  await made.runUntilIdle();
  expect(made.handled).toEqual([1]);
  await made.store.stop();
  await expect(made.transport.depth("notes.worker")).rejects.toMatchObject({ code: "EVT_CLOSED" });
});

test("ES-187 the transport ends with the last store that uses it", async () => {
  const made = setUp({});
  const other = second(made);
  await Promise.all([made.store.start(), other.start()]);
  await made.store.stop();
  expect((await made.transport.depth("notes.worker")).ready).toBe(0);
  await other.stop();
  await expect(made.transport.depth("notes.worker")).rejects.toMatchObject({ code: "EVT_CLOSED" });
});

test("ES-002 only the named subscribers are started", async () => {
  const handled: string[] = [];
  const [One, Two] = ["a.one", "b.two"].map((name) =>
    defineSubscriber<Job>(name, { handle: async () => void handled.push(name) }),
  );
  const made = started((registry) => {
    for (const subscriber of [One, Two]) if (subscriber) registry.subscribe(subscriber, { to: JobFinished });
  });
  await made.store.start({ only: ["b.two"] });
  await publish(made, 1);
  await made.runUntilIdle();
  expect(handled).toEqual(["b.two"]);
  expect((await made.transport.depth("a.one")).ready).toBe(1);
});

test("ES-004 a name in `only` that nobody has is refused", async () => {
  const made = setUp({});
  await expect(made.store.start({ only: ["notes.wrker"] })).rejects.toMatchObject({ code: "EVT_CONFIG_INVALID" });
});

test("ES-004 options of start and stop are validated, and a refused call has done nothing", async () => {
  const made = setUp({});
  // @ts-expect-error a misspelt option
  await expect(made.store.start({ onyl: ["notes.worker"] })).rejects.toMatchObject({
    code: "EVT_CONFIG_INVALID",
    details: { option: "onyl" },
  });
  for (const deadlineMs of [-1, Number.NaN, 1.5, 86_400_001])
    await expect(made.store.stop({ deadlineMs })).rejects.toMatchObject({
      code: "EVT_CONFIG_INVALID",
      details: { option: "deadlineMs" },
    });
  await made.store.start();
  await publish(made, 1);
  await made.runUntilIdle();
  expect(made.handled).toEqual([1]);
});

// Stop

test("ES-187 stop takes nothing new and resolves when what runs has ended", async () => {
  const gate = held();
  const made = setUp({ concurrency: 1 }, () => gate.promise);
  await made.store.start();
  await publish(made, 1, 2);
  await until(() => made.handled.length === 1);
  let stopped = false;
  const stopping = made.store.stop().then(() => {
    stopped = true;
  });
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  expect(stopped).toBe(false);
  gate.open();
  await stopping;
  expect(made.handled).toEqual([1]);
});

test("ES-187 what was done before the stop is settled, what waited is available to others", async () => {
  const gate = held();
  const made = setUp({ concurrency: 1 }, () => gate.promise);
  const other = second(made);
  await made.store.start();
  await publish(made, 1, 2);
  await until(() => made.handled.length === 1);
  const stopping = made.store.stop();
  gate.open();
  await stopping;
  await other.start();
  await made.runUntilIdle();
  expect(other.handled).toEqual([{ job_id: 2, attempt: 1 }]);
});

test("ES-187 signals are aborted 2 s before the deadline", async () => {
  const abortedAfterMs: number[] = [];
  const made = setUp({}, async (_, { signal }) => {
    const startMs = made.clock.nowMs();
    await new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => {
        abortedAfterMs.push(made.clock.nowMs() - startMs);
        resolve();
      }),
    );
  });
  await made.store.start();
  await publish(made, 1);
  await until(() => made.handled.length === 1);
  await Promise.all([made.store.stop({ deadlineMs: 7_000 }), made.clock.advanceBy(7_000)]);
  expect(abortedAfterMs).toEqual([5_000]);
});

test("ES-187 what still runs at the deadline is handed back, not counted, and available to others at once", async () => {
  const made = setUp({}, () => new Promise(() => {}));
  const other = second(made);
  await made.store.start();
  await publish(made, 1);
  await until(() => made.handled.length === 1);
  const stopping = made.store.stop({ deadlineMs: 3_000 });
  await made.clock.advanceBy(2_999);
  await other.start();
  await made.clock.advanceBy(0);
  expect(other.handled).toEqual([]);
  await made.clock.advanceBy(1);
  await stopping;
  await until(() => other.handled.length === 1);
  expect(other.handled).toEqual([{ job_id: 1, attempt: 1 }]);
});

test("ES-187 the late result of a delivery that was handed back counts for nothing", async () => {
  const gate = held();
  const made = setUp({ retry: { decide: () => "dead" } }, async () => {
    await gate.promise;
    throw new Error("too late");
  });
  const other = second(made);
  await made.store.start();
  await publish(made, 1);
  await until(() => made.handled.length === 1);
  await Promise.all([made.store.stop({ deadlineMs: 3_000 }), made.clock.advanceBy(3_000)]);
  gate.open();
  await other.start();
  await until(() => other.handled.length === 1);
  for (const { dead } of [made.store, other]) expect((await dead.list()).letters).toEqual([]);
});

test("ES-187 the default deadline is 20 s", async () => {
  const made = setUp({}, () => new Promise(() => {}));
  await made.store.start();
  await publish(made, 1);
  await until(() => made.handled.length === 1);
  let stopped = false;
  const stopping = made.store.stop().then(() => {
    stopped = true;
  });
  await made.clock.advanceBy(19_999);
  expect(stopped).toBe(false);
  await made.clock.advanceBy(1);
  await stopping;
});

test("ES-187 a second stop joins the first, and a stopped store stays stopped", async () => {
  const made = setUp({});
  await made.store.start();
  const first = made.store.stop();
  await Promise.all([first, made.store.stop(), made.store.stop({ deadlineMs: 1 })]);
  await made.store.stop();
  await expect(made.store.start()).rejects.toMatchObject({ code: "EVT_CLOSED" });
});

test("ES-187 a store that was never started stops too", async () => {
  const made = setUp({});
  await made.store.stop();
});

test("ES-187 stopping while starting leaves nothing running", async () => {
  const made = setUp({});
  const starting = made.store.start();
  await Promise.all([made.store.stop(), starting.catch(() => {})]);
  expect(made.clock.nextTimerMs()).toBeUndefined();
});

test("ES-187 the dispatch log is flushed before stop resolves", async () => {
  const steps: string[] = [];
  const dispatchLog = {
    dispatched() {},
    handled: () => void steps.push("handled"),
    flush: async () => void steps.push("flushed"),
  };
  const made = setUp({}, async () => {}, { dispatchLog });
  await made.store.start();
  await publish(made, 1);
  await made.runUntilIdle();
  await made.store.stop();
  expect(steps).toEqual(["handled", "flushed"]);
});

test("ES-187 a stopped store leaves no timer behind", async () => {
  const made = setUp({ rateLimit: { max: 1, perMs: 60_000 } }, async () => {
    throw new Error("no");
  });
  await made.store.start();
  await publish(made, 1, 2, 3);
  await made.runUntilIdle();
  await made.store.stop();
  expect(made.clock.nextTimerMs()).toBeUndefined();
});

// Pause

test("ES-188 while a subscriber is paused, publishing goes on and its deliveries wait", async () => {
  const made = setUp({});
  await made.store.start();
  await made.store.pause("notes.worker");
  await publish(made, 1, 2);
  await made.advanceBy(3_600_000);
  expect(made.handled).toEqual([]);
  expect((await made.transport.depth("notes.worker")).ready).toBe(2);
  await made.store.resume("notes.worker");
  await made.runUntilIdle();
  expect(made.handled).toEqual([1, 2]);
});

test("ES-188 a pause holds from before the start on", async () => {
  const made = setUp({});
  await made.store.pause("notes.worker");
  await publish(made, 1);
  await made.store.start();
  await made.advanceBy(60_000);
  expect(made.handled).toEqual([]);
});

test("ES-188 a pause lets what runs end, and holds for one subscriber only", async () => {
  const gate = held();
  const handled: string[] = [];
  const Slow = defineSubscriber<Job>("a.slow", {
    concurrency: 1,
    async handle({ data }) {
      await gate.promise;
      handled.push(`slow ${data.job_id}`);
    },
  });
  const Other = defineSubscriber<Job>("b.other", {
    handle: async ({ data }) => void handled.push(`other ${data.job_id}`),
  });
  const made = started((registry) => {
    registry.subscribe(Slow, { to: JobFinished });
    registry.subscribe(Other, { to: JobFinished });
  });
  await made.store.start();
  await publish(made, 1, 2);
  await until(() => handled.length === 2);
  await made.store.pause("a.slow");
  gate.open();
  await made.runUntilIdle();
  expect(handled).toEqual(["other 1", "other 2", "slow 1"]);
});

// Slots

test("ES-179 one process runs at most 8 calls of a subscriber at once by default", async () => {
  const gate = held();
  const made = setUp({}, () => gate.promise);
  await made.store.start();
  await publish(made, ...Array.from({ length: 20 }, (_, index) => index));
  await until(() => made.handled.length === 8);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  expect(made.handled).toHaveLength(8);
  gate.open();
  await made.runUntilIdle();
  expect(made.handled).toHaveLength(20);
});

test("ES-179 all subscribers of a process share its 64 slots", async () => {
  const gate = held();
  const running = { now: 0, most: 0 };
  const names = Array.from({ length: 10 }, (_, index) => `notes.worker_${index}`);
  const made = started((registry) => {
    for (const name of names)
      registry.subscribe(
        defineSubscriber<Job>(name, {
          async handle() {
            running.most = Math.max(running.most, ++running.now);
            await gate.promise;
            running.now--;
          },
        }),
        { to: JobFinished },
      );
  });
  await made.store.start();
  await publish(made, ...Array.from({ length: 10 }, (_, index) => index));
  await until(() => running.now === 64);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  gate.open();
  await made.runUntilIdle();
  expect(running.most).toBe(64);
});

test("ES-179 concurrency.total is kept over all stores of a transport", async () => {
  const gate = held();
  const made = setUp({ concurrency: { total: 3 } }, () => gate.promise);
  const other = second(made, { concurrency: { total: 3 } }, () => gate.promise);
  await Promise.all([made.store.start(), other.start()]);
  await publish(made, ...Array.from({ length: 10 }, (_, index) => index));
  await until(() => made.handled.length + other.handled.length === 3);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  expect(made.handled.length + other.handled.length).toBe(3);
  gate.open();
  await made.runUntilIdle();
  expect(made.handled.length + other.handled.length).toBe(10);
});

describe("ES-176 ES-179 starts later than the urgency's target are counted:", () => {
  test.each([
    ["high", 10_000, 1],
    ["high", 10_000, 0],
    ["low", 60_000, 1],
    ["low", 60_000, 0],
    ["throttled", 3_600_000, 0],
  ] as const)("%s after more than %i ms: %i", async (urgency, waitedMs, late) => {
    const { metrics, counts } = countingMetrics();
    const made = setUp({ urgency }, async () => {}, { metrics });
    await publish(made, 1);
    await made.clock.advanceBy(waitedMs + late);
    await made.store.start();
    await made.runUntilIdle();
    expect(counts.get(`signalbox_event_store_late_starts_total ${urgency}`) ?? 0).toBe(late);
  });
});

type Handler = (event: DomainEvent<Job>, context: HandlerContext) => Promise<void>;

interface Made extends TestStore {
  readonly handled: number[];
}

function setUp(
  options: Omit<SubscriberOptions<Job>, "handle">,
  handler: Handler = async () => {},
  storeOptions: Partial<TestStoreOptions> = {},
): Made {
  const handled: number[] = [];
  const Worker = defineSubscriber<Job>("notes.worker", {
    ...options,
    async handle(event, context) {
      handled.push(event.data.job_id);
      await handler(event, context);
    },
  });
  return { ...started((registry) => registry.subscribe(Worker, { to: JobFinished }), storeOptions), handled };
}

function started(configure: Configure, options: Partial<TestStoreOptions> = {}): TestStore {
  const made = createTestStore({ ...options, configure });
  onTestFinished(async () => {
    await Promise.all([made.store.stop(), made.clock.advanceBy(60_000)]);
  });
  return made;
}

/** Another store on the same transport, as another process would have it. */
function second(
  { transport, clock }: TestStore,
  options: Omit<SubscriberOptions<Job>, "handle"> = {},
  handler: Handler = async () => {},
) {
  const handled: { job_id: number; attempt: number }[] = [];
  const Worker = defineSubscriber<Job>("notes.worker", {
    ...options,
    async handle(event, context) {
      handled.push({ ...event.data, attempt: context.attempt });
      await handler(event, context);
    },
  });
  const configure: Configure = (registry) => registry.subscribe(Worker, { to: JobFinished });
  const store = createEventStore({ transport, clock, source: "other", configure });
  // It uses the transport from now on, so that the first store's end is not the transport's.
  const opened = store.dead.list();
  onTestFinished(() => store.stop());
  return { ...store, handled, start: () => opened.then(() => store.start()) };
}

async function publish({ store }: TestStore, ...ids: number[]): Promise<void> {
  for (const job_id of ids) await store.publish(JobFinished.create({ job_id }));
}

/** Metrics that add up counters by name and urgency. */
function countingMetrics(): { readonly metrics: Metrics; readonly counts: ReadonlyMap<string, number> } {
  const counts = new Map<string, number>();
  const nothing = { add() {}, set() {}, remove() {}, observe() {} };
  return {
    counts,
    metrics: {
      gauge: () => nothing,
      histogram: () => nothing,
      counter: ({ name }) => ({
        add(value = 1, labels = {}) {
          const key = `${name} ${labels["urgency"] ?? ""}`;
          counts.set(key, (counts.get(key) ?? 0) + value);
        },
      }),
    },
  };
}

function held(): { readonly promise: Promise<void>; open(): void } {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open: () => open() };
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 1_000) throw new Error("it did not come to that");
    await new Promise(setImmediate);
  }
}
