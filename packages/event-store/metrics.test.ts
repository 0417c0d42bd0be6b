import type { Gauge, GaugeOptions, HistogramOptions, Labels, MetricOptions, Metrics } from "@signalbox/kernel";
import { afterEach, expect, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber, type SubscriberOptions } from "./define-subscriber.js";
import { createTestStore, type TestStore, type TestStoreOptions } from "./test-store.js";

const JobStarted = defineEvent("ci.job_started", {
  schema: { type: "object", required: ["job"], properties: { job: { type: "integer" } } },
});
type Job = { job: number };
const subscription = "ci.watch/ci.job_started";

let stores: TestStore[] = [];
afterEach(async () => {
  for (const { store, advanceBy } of stores) await Promise.all([store.stop(), advanceBy(60_000)]);
  stores = [];
});

test("ES-490 publishes are counted and timed by event", async () => {
  const { counted, publish } = setUp();
  await publish(1, 2, 3);
  expect(counted("published_total", { event: "ci.job_started" })).toBe(3);
  expect(counted("publish_seconds", { event: "ci.job_started" })).toBe(3);
});

test("ES-490 what can be known beforehand is there before anything happened", () => {
  const { registered } = setUp();
  expect(registered("published_total")?.known).toEqual([{ event: "ci.job_started" }]);
  for (const name of ["ignored_total", "rate_limited_total"])
    expect(registered(name)?.known).toEqual([{ subscription }]);
});

test("ES-491 every decision is counted", async () => {
  const { counted, publish } = setUp({}, { if: (event) => event.data.job > 1 });
  await publish(1, 2, 3);
  const labels = { event: "ci.job_started", subscription };
  expect(counted("decisions_total", { ...labels, decision: "condition_false" })).toBe(1);
  expect(counted("decisions_total", { ...labels, decision: "dispatched" })).toBe(2);
});

test("ES-492 settlements are counted, handler calls timed by result", async () => {
  const { counted, publish, made } = setUp({
    timeoutMs: 1_000,
    retry: { maxAttempts: 2, baseMs: 10_000, jitter: 0 },
    handle: async ({ data }, { attempt, signal }) => {
      if (data.job === 2 && attempt === 1) throw new Error("no");
      if (data.job === 3)
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  });
  await made.store.start();
  await publish(1, 2, 3);
  await made.advanceBy(60_000);
  const settled = (settlement: string) => counted("deliveries_total", { subscription, settlement });
  expect([settled("done"), settled("retried"), settled("dead")]).toEqual([2, 2, 1]);
  const calls = (result: string) => counted("handler_seconds", { subscription, result });
  expect([calls("ok"), calls("error"), calls("timeout")]).toEqual([2, 1, 2]);
});

test("ES-493 the time from due to start is measured, late starts are counted", async () => {
  const { counted, observed, publish, made } = setUp({ urgency: "high" });
  await publish(1);
  await made.clock.advanceBy(11_000);
  await publish(2);
  await made.store.start();
  await made.runUntilIdle();
  const labels = { subscription, urgency: "high" };
  expect(observed("queue_delay_seconds", labels).toSorted()).toEqual([0, 11]);
  expect(counted("late_starts_total", labels)).toBe(1);
});

test("ES-494 the gauges show what waits, by state, and how old it is", async () => {
  let release = (): void => {};
  const { gauge, publish, made } = setUp({
    concurrency: 1,
    retry: { jitter: 0, baseMs: 60_000 },
    handle: async ({ data }) => {
      if (data.job === 1) throw new Error("later");
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    },
  });
  await made.store.start();
  await publish(1);
  await made.runUntilIdle();
  await publish(2);
  await made.clock.advanceBy(0);
  await made.store.pause("ci.watch");
  await publish(3);
  await made.clock.advanceBy(7_000);
  const states = ["ready", "scheduled", "running", "blocked"];
  const deliveries = await Promise.all(states.map((state) => gauge("deliveries", { subscriber: "ci.watch", state })));
  expect(deliveries).toEqual([1, 1, 1, 0]);
  expect(await gauge("oldest_ready_seconds", { subscriber: "ci.watch" })).toBe(7);
  release();
});

test("ES-495 dead letters and replays are counted, the letters that wait are shown", async () => {
  let healthy = false;
  const { counted, gauge, publish, made } = setUp({
    retry: { maxAttempts: 1 },
    handle: async () => {
      if (!healthy) throw new Error("no");
    },
  });
  await made.store.start();
  await publish(1, 2);
  await made.runUntilIdle();
  expect(counted("dead_letters_total", { subscription, reason: "exhausted" })).toBe(2);
  expect(await gauge("dead_letters", { subscription })).toBe(2);
  const [letter] = (await made.store.dead.list()).letters;
  await made.store.dead.replay([letter?.id ?? ""]);
  await made.runUntilIdle();
  healthy = true;
  await made.store.dead.replay([letter?.id ?? ""]);
  await made.runUntilIdle();
  const replays = (result: string) => counted("replays_total", { subscription, result });
  expect([replays("replayed"), replays("dead"), replays("resolved")]).toEqual([2, 1, 1]);
  expect(await gauge("dead_letters", { subscription })).toBe(1);
});

test("ES-497 conditions are timed; ignored runs and waits for a rate limit are counted", async () => {
  const { counted, publish, made } = setUp(
    { rateLimit: { max: 1, perMs: 1_000 }, handle: async (_, context) => context.ignored("not mine") },
    { if: () => true },
  );
  await made.store.start();
  await publish(1, 2);
  await made.advanceBy(5_000);
  expect(counted("condition_seconds", { subscription })).toBe(2);
  expect(counted("ignored_total", { subscription })).toBe(2);
  expect(counted("rate_limited_total", { subscription })).toBeGreaterThan(0);
});

test("ES-498 sizes are measured, failed calls to the transport are counted", async () => {
  const { counted, observed, publish, made } = setUp();
  await publish(1);
  const wire = made.store.encodeEvent(JobStarted.create({ job: 1 }));
  expect(observed("event_bytes", { event: "ci.job_started" })).toEqual([Buffer.byteLength(wire)]);
  made.transport.enqueue = async () => Promise.reject(new Error("away"));
  await expect(publish(2)).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNAVAILABLE" });
  expect(counted("transport_errors_total", { operation: "enqueue", code: "EVT_TRANSPORT_UNAVAILABLE" })).toBe(1);
});

test.each([
  ["publish_seconds", 0.001, 300],
  ["handler_seconds", 0.001, 300],
  ["queue_delay_seconds", 0.001, 300],
  ["condition_seconds", 0.000_001, 0.1],
  ["event_bytes", 256, 16_777_216],
])("ES-492 ES-497 ES-498 the buckets of %s go from %d to %d", (name, first, last) => {
  const buckets = setUp().registered(name)?.buckets ?? [];
  expect([buckets[0], buckets.at(-1)]).toEqual([first, last]);
  expect(buckets).toEqual([...buckets].sort((left, right) => left - right));
});

test("ES-490 no more label sets can appear than the registry makes possible", async () => {
  const { used, registered, publish, made } = setUp({ retry: { maxAttempts: 1 } });
  await made.store.start();
  await publish(1, 2, 3);
  const stranger = JSON.parse(made.store.encodeEvent(JobStarted.create({ job: 9 })));
  for (let index = 0; index < 50; index++) await enqueueForSubscription(made, stranger, `ci.watch/ci.gone_${index}`);
  await made.advanceBy(60_000);
  for (const [name, series] of used()) expect(series, name).toBeLessThanOrEqual(registered(name)?.maxSeries ?? 0);
});

async function enqueueForSubscription({ transport }: TestStore, wire: object, name: string): Promise<void> {
  await transport.enqueue([
    {
      id: `${Math.random()}.${name}`,
      subscriber: "ci.watch",
      subscription: name,
      eventType: name.slice(name.indexOf("/") + 1),
      body: JSON.stringify(wire),
      key: null,
      perKey: 1,
      dueAtMs: 0,
      maxPending: null,
      dedup: null,
    },
  ]);
}

interface Registered extends MetricOptions {
  readonly buckets?: readonly number[];
  readonly collect?: GaugeOptions["collect"];
}

interface SetUp {
  readonly made: TestStore;
  publish(...jobs: number[]): Promise<unknown>;
  /** Sum of a counter, or number of observations of a histogram. */
  counted(name: string, labels: Labels): number;
  observed(name: string, labels: Labels): number[];
  gauge(name: string, labels: Labels): Promise<number | undefined>;
  registered(name: string): Registered | undefined;
  /** Label sets that were used, by metric. */
  used(): Map<string, number>;
}

function setUp(
  options: Partial<SubscriberOptions<Job>> = {},
  subscribe: { readonly if?: (event: { readonly data: Job }) => boolean } = {},
  store: Partial<TestStoreOptions> = {},
): SetUp {
  const recorder = createRecorder();
  const { handle = async () => {}, ...rest } = options;
  const watcher = defineSubscriber<Job>("ci.watch", { ...rest, handle });
  const made = createTestStore({
    configure: (registry) => registry.subscribe(watcher, { to: JobStarted, ...subscribe }),
    metrics: recorder.metrics,
    ...store,
  });
  stores.push(made);
  return {
    made,
    publish: (...jobs) => Promise.all(jobs.map((job) => made.store.publish(JobStarted.create({ job })))),
    counted: (name, labels) => {
      const values = recorder.values(name, labels);
      return name.endsWith("_total") ? values.reduce((sum, value) => sum + value, 0) : values.length;
    },
    observed: (name, labels) => recorder.values(name, labels),
    gauge: recorder.gauge,
    registered: recorder.registered,
    used: recorder.used,
  };
}

/** Keeps what a store counts. */
function createRecorder() {
  const prefix = "signalbox_event_store_";
  const registered = new Map<string, Registered>();
  const samples = new Map<string, { readonly labels: Labels; readonly value: number }[]>();
  const register = (options: MetricOptions | GaugeOptions | HistogramOptions) => {
    expect(options.name.startsWith(prefix)).toBe(true);
    const name = options.name.slice(prefix.length);
    registered.set(name, options);
    const add = (value = 1, labels: Labels = {}): void => {
      expect(Object.keys(labels).sort()).toEqual([...(options.labels ?? [])].sort());
      samples.set(name, [...(samples.get(name) ?? []), { labels, value }]);
    };
    return { add, set: add, observe: add, remove: () => expect.fail("no series is removed") };
  };
  const metrics: Metrics = { counter: register, gauge: register, histogram: register };
  const same = (left: Labels, right: Labels): boolean =>
    Object.keys({ ...left, ...right }).every((key) => left[key] === right[key]);
  const values = (name: string, labels: Labels): number[] =>
    (samples.get(name) ?? []).filter((sample) => same(sample.labels, labels)).map(({ value }) => value);
  return {
    metrics,
    values,
    registered: (name: string) => registered.get(name),
    used: () =>
      new Map([...samples].map(([name, all]) => [name, new Set(all.map(({ labels }) => JSON.stringify(labels))).size])),
    async gauge(name: string, labels: Labels): Promise<number | undefined> {
      const read = new Map<string, number>();
      const gauge: Gauge = {
        set: (value, own = {}) => void read.set(JSON.stringify(own), value),
        add: () => expect.fail("gauges are set"),
        remove: () => expect.fail("no series is removed"),
      };
      await registered.get(name)?.collect?.(gauge);
      return read.get(JSON.stringify(labels));
    },
  };
}
