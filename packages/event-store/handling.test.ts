import { currentContext } from "@signalbox/kernel";
import { afterEach, describe, expect, test } from "vitest";
import { defineEvent } from "./define-event.js";
import {
  defineSubscriber,
  type HandlerContext,
  type RetryOptions,
  type SubscriberOptions,
} from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import type { Configure } from "./registry.js";
import { createTestStore, type TestStore, type TestStoreOptions } from "./test-store.js";

const BuildFinished = defineEvent("ci.build_finished", {
  schema: { type: "object", required: ["build_id"], properties: { build_id: { type: "integer" } } },
});
type Build = { build_id: number };

let running: TestStore[] = [];
afterEach(async () => {
  for (const { store, advanceBy } of running) await Promise.all([store.stop(), advanceBy(60_000)]);
  running = [];
});

async function started(configure: Configure, options: Partial<TestStoreOptions> = {}): Promise<TestStore> {
  const made = createTestStore({ configure, ...options });
  running.push(made);
  await made.store.start();
  return made;
}

/** A store with one subscriber whose handler is given. */
function withHandler(
  handle: (event: DomainEvent<Build>, context: HandlerContext) => Promise<void>,
  options: Omit<SubscriberOptions<Build>, "handle"> = {},
): Promise<TestStore> {
  const worker = defineSubscriber("notes.remember_builds", { ...options, handle });
  return started((registry) => registry.subscribe(worker, { to: BuildFinished }));
}

function publish({ store }: TestStore, ...ids: number[]): Promise<unknown> {
  return Promise.all(ids.map((build_id) => store.publish(BuildFinished.create({ build_id }))));
}

class Refused extends Error {
  readonly retryable = false;
}

describe("what a handler gets", () => {
  test("ES-165 the event it was published as, in the context of that event", async () => {
    const seen: { event: DomainEvent<Build>; context: unknown; attempt: number; deliveryId: string }[] = [];
    const made = await withHandler(async (event, { attempt, deliveryId }) => {
      seen.push({ event, context: currentContext(), attempt, deliveryId });
    });
    const event = BuildFinished.create({ build_id: 7 }, { subject: "builds/7", userId: "u1" });
    await made.store.publish(event);
    await made.runUntilIdle();
    expect(seen).toHaveLength(1);
    expect(BuildFinished.is(seen[0]?.event)).toBe(true);
    expect({ ...seen[0]?.event }).toEqual({ ...event });
    expect(seen[0]?.event).not.toBe(event);
    expect(seen[0]).toMatchObject({ attempt: 1, deliveryId: `${event.id}.notes.remember_builds/ci.build_finished` });
    expect(seen[0]?.context).toMatchObject({
      correlationId: event.correlationId,
      causationId: event.id,
      userId: "u1",
      meta: { caller_id: "notes.remember_builds", feature_category: "notes" },
    });
  });

  test("ES-109 plain data without shared references, off the publisher's stack", async () => {
    const seen: DomainEvent<Build>[] = [];
    let onStack = false;
    const made = await withHandler(async (event) => {
      expect(onStack).toBe(false);
      seen.push(event);
    });
    const event = BuildFinished.create({ build_id: 1 });
    onStack = true;
    const publishing = made.store.publish(event);
    onStack = false;
    await publishing;
    await made.runUntilIdle();
    expect(seen[0]?.data).toEqual({ build_id: 1 });
    expect(seen[0]?.data).not.toBe(event.data);
    expect(Object.isFrozen(seen[0]?.data)).toBe(true);
  });

  test("ES-165 data that breaks the current schema is a dead letter at once", async () => {
    const handled: unknown[] = [];
    const made = await withHandler(async (event) => void handled.push(event));
    const wire = JSON.parse(made.store.encodeEvent(BuildFinished.create({ build_id: 1 })));
    await enqueueRaw(made, { ...wire, data: { build_id: "one" } });
    await made.runUntilIdle();
    const { letters } = await made.store.dead.list();
    expect(handled).toEqual([]);
    expect(letters).toMatchObject([{ reason: "invalid_event", error: { code: "EVT_DATA_INVALID" }, state: "dead" }]);
    expect(JSON.parse(letters[0]?.event ?? "")).toMatchObject({ id: wire.id, data: { build_id: "one" } });
  });

  test.each([
    ["an unknown type", (wire: Wire) => ({ ...wire, type: "dev.signalbox.ci.unheard_of" })],
    ["a newer version", (wire: Wire) => ({ ...wire, dataschema: "urn:signalbox:schema:ci.build_finished:v2" })],
  ])("ES-165 %s is retried by policy, then dead", async (_, change) => {
    const worker = defineSubscriber<Build>("notes.remember_builds", {
      retry: { maxAttempts: 3, jitter: 0 },
      handle: async () => {},
    });
    const made = await started((registry) => registry.subscribe(worker, { to: BuildFinished }));
    await enqueueRaw(made, change(JSON.parse(made.store.encodeEvent(BuildFinished.create({ build_id: 1 })))));
    await made.runUntilIdle();
    expect((await made.transport.depth("notes.remember_builds")).scheduled).toBe(1);
    await made.advanceBy(10_000);
    const { letters } = await made.store.dead.list();
    expect(letters).toMatchObject([{ reason: "unknown_event", error: { code: "EVT_UNKNOWN_TYPE" } }]);
    expect(letters[0]?.attempts).toHaveLength(3);
  });

  test("ES-165 data of an older version is brought up before the handler sees it", async () => {
    const Renamed = defineEvent("ci.build_renamed", {
      version: 2,
      schema: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
      upcast: { 1: (data) => ({ name: data["title"] ?? "" }) },
    });
    const seen: unknown[] = [];
    const worker = defineSubscriber("notes.remember_names", {
      handle: async (event: DomainEvent<{ name: string }>) => void seen.push([event.version, event.data]),
    });
    const made = await started((registry) => registry.subscribe(worker, { to: Renamed }));
    const wire = JSON.parse(made.store.encodeEvent(Renamed.create({ name: "x" })));
    const old = { ...wire, dataschema: "urn:signalbox:schema:ci.build_renamed:v1", data: { title: "old" } };
    await enqueueRaw(made, old, "notes.remember_names", "ci.build_renamed");
    await made.runUntilIdle();
    expect(seen).toEqual([[2, { name: "old" }]]);
  });
});

type Wire = Record<string, unknown>;

async function enqueueRaw(
  { transport }: TestStore,
  wire: Wire,
  subscriber = "notes.remember_builds",
  eventType = "ci.build_finished",
): Promise<void> {
  const subscription = `${subscriber}/${eventType}`;
  await transport.enqueue([
    {
      id: `${String(wire["id"])}.${subscription}`,
      subscriber,
      subscription,
      eventType,
      body: JSON.stringify(wire),
      key: null,
      perKey: 1,
      dueAtMs: 0,
      maxPending: null,
      dedup: null,
    },
  ]);
}

describe("failures", () => {
  test("ES-167 ES-171 a failing handler is called again, later each time, until it succeeds", async () => {
    const atMs: number[] = [];
    const attempts: number[] = [];
    const retry: RetryOptions = { baseMs: 1_000, factor: 2, jitter: 0 };
    const made = await withHandler(
      async (_, { attempt }) => {
        atMs.push(made.clock.nowMs());
        attempts.push(attempt);
        if (attempt < 4) throw new Error("not yet");
      },
      { retry },
    );
    const startMs = made.clock.nowMs();
    await publish(made, 1);
    await made.advanceBy(60_000);
    expect(attempts).toEqual([1, 2, 3, 4]);
    expect(atMs.map((ms) => ms - startMs)).toEqual([0, 1_000, 3_000, 7_000]);
    expect(await made.transport.depth("notes.remember_builds")).toMatchObject({ ready: 0, scheduled: 0, running: 0 });
  });

  test("ES-173 exhausted attempts end as a dead letter with the last ten of them", async () => {
    const made = await withHandler(
      async (_, { attempt }) => {
        throw Object.assign(new RangeError(`no ${attempt}`), { code: "OUT_OF_RANGE" });
      },
      { retry: { maxAttempts: 12, baseMs: 10, maxMs: 10, jitter: 0 } },
    );
    const event = BuildFinished.create({ build_id: 1 });
    await made.store.publish(event);
    await made.advanceBy(10_000);
    const { letters } = await made.store.dead.list();
    expect(letters).toHaveLength(1);
    const [letter] = letters;
    expect(letter).toMatchObject({
      id: `${event.id}.notes.remember_builds/ci.build_finished`,
      reason: "exhausted",
      eventType: "ci.build_finished",
      correlationId: event.correlationId,
      replayCount: 0,
      lastReplayedAtMs: null,
      state: "dead",
      error: { class: "RangeError", code: "OUT_OF_RANGE", message: "no 12" },
    });
    expect(letter?.fingerprint).toMatch(/^[0-9a-f]{16}$/);
    expect(letter?.attempts.map(({ error }) => error.message)).toEqual(
      Array.from({ length: 10 }, (_, index) => `no ${index + 3}`),
    );
    expect(letter?.attempts[0]?.error.stack).toContain("RangeError: no 3");
    expect(letter?.firstFailedAtMs).toBeLessThan(letter?.deadAtMs ?? 0);
  });

  test("ES-173 a delivery that is too old is given up at its next failure", async () => {
    let calls = 0;
    const made = await withHandler(
      async () => {
        calls++;
        throw new Error("no");
      },
      { retry: { baseMs: 60_000, factor: 1, jitter: 0, maxAgeMs: 100_000 } },
    );
    await publish(made, 1);
    await made.advanceBy(600_000);
    expect(calls).toBe(3);
    expect((await made.store.dead.list()).letters).toMatchObject([{ reason: "exhausted" }]);
  });

  test("ES-173 waiting retries do not hold up first attempts", async () => {
    const done: number[] = [];
    const made = await withHandler(
      async ({ data }) => {
        if (data.build_id < 100) throw new Error("no");
        done.push(data.build_id);
      },
      { concurrency: 1 },
    );
    await publish(made, ...Array.from({ length: 50 }, (_, index) => index));
    await made.runUntilIdle();
    await publish(made, 100, 101);
    await made.runUntilIdle();
    expect(done).toEqual([100, 101]);
  });

  test("ES-171 an error that says repeating is useless is dead at once", async () => {
    let calls = 0;
    const made = await withHandler(async () => {
      calls++;
      throw new Refused("never");
    });
    await publish(made, 1);
    await made.advanceBy(100_000);
    expect(calls).toBe(1);
    expect((await made.store.dead.list()).letters).toMatchObject([{ reason: "refused", error: { message: "never" } }]);
  });

  test.each([
    ["discard", []],
    ["dead", [{ reason: "refused" }]],
  ] as const)("ES-171 decide may say %s", async (verdict, letters) => {
    let calls = 0;
    const made = await withHandler(
      async () => {
        calls++;
        throw new Error("no");
      },
      { retry: { decide: () => verdict } },
    );
    await publish(made, 1);
    await made.advanceBy(100_000);
    expect(calls).toBe(1);
    expect((await made.store.dead.list()).letters).toMatchObject(letters);
    expect(await made.transport.depth("notes.remember_builds")).toMatchObject({ ready: 0, scheduled: 0, running: 0 });
  });

  test("ES-171 decide may give the delay, and knows the attempt", async () => {
    const atMs: number[] = [];
    const asked: number[] = [];
    const made = await withHandler(
      async () => {
        atMs.push(made.clock.nowMs());
        throw new Error("no");
      },
      {
        retry: {
          maxAttempts: 3,
          decide(_, attempt) {
            asked.push(attempt);
            return { delayMs: 5_000 };
          },
        },
      },
    );
    const startMs = made.clock.nowMs();
    await publish(made, 1);
    await made.advanceBy(100_000);
    expect(atMs.map((ms) => ms - startMs)).toEqual([0, 5_000, 10_000]);
    expect(asked).toEqual([1, 2, 3]);
  });

  test("ES-171 a retry that does not count is exempt from attempts and age", async () => {
    let calls = 0;
    const attempts = new Set<number>();
    const made = await withHandler(
      async (_, { attempt }) => {
        attempts.add(attempt);
        if (++calls < 30) throw new Error("the engine is away");
      },
      { retry: { maxAttempts: 2, maxAgeMs: 10_000, decide: () => ({ delayMs: 1_000, counted: false }) } },
    );
    await publish(made, 1);
    await made.advanceBy(60_000);
    expect(calls).toBe(30);
    expect([...attempts]).toEqual([1]);
    expect((await made.store.dead.list()).letters).toEqual([]);
  });

  test("ES-171 a decide that throws counts as retry", async () => {
    let calls = 0;
    const made = await withHandler(
      async () => {
        if (++calls === 1) throw new Error("no");
      },
      {
        retry: {
          decide() {
            throw new Error("decide is broken");
          },
        },
      },
    );
    await publish(made, 1);
    await made.advanceBy(10_000);
    expect(calls).toBe(2);
  });

  test("ES-171 ES-188 decide may pause the subscriber; the attempt does not count", async () => {
    let away = true;
    const attempts: number[] = [];
    const made = await withHandler(
      async (_, { attempt }) => {
        attempts.push(attempt);
        if (away) throw new Error("the engine is away");
      },
      { retry: { maxAttempts: 2, decide: () => "pause" } },
    );
    await publish(made, 1, 2);
    await made.advanceBy(60_000);
    const before = attempts.length;
    expect(await made.transport.depth("notes.remember_builds")).toMatchObject({ ready: 2, running: 0 });
    await made.advanceBy(60_000);
    expect(attempts).toHaveLength(before);
    away = false;
    await made.store.resume("notes.remember_builds");
    await made.runUntilIdle();
    expect(attempts).toHaveLength(before + 2);
    expect(new Set(attempts)).toEqual(new Set([1]));
  });
});

describe("time limits", () => {
  test("ES-169 after timeoutMs the signal is aborted; a handler that ends by it has failed", async () => {
    const reasons: unknown[] = [];
    const attempts: number[] = [];
    const made = await withHandler(
      async (_, { signal, attempt }) => {
        attempts.push(attempt);
        if (attempt > 1) return;
        await new Promise((_, reject) =>
          signal.addEventListener("abort", () => {
            reasons.push(signal.reason);
            reject(signal.reason);
          }),
        );
      },
      { timeoutMs: 2_000 },
    );
    await publish(made, 1);
    await made.clock.advanceBy(1_999);
    expect(reasons).toEqual([]);
    await made.clock.advanceBy(1);
    expect(reasons).toMatchObject([{ code: "EVT_HANDLER_TIMEOUT", retryable: true }]);
    await made.advanceBy(10_000);
    expect(attempts).toEqual([1, 2]);
  });

  test("ES-169 a handler that ignores the signal fails 5 s later and frees its slot", async () => {
    const started: number[] = [];
    const made = await withHandler(
      async ({ data }) => {
        started.push(data.build_id);
        if (data.build_id === 1) await new Promise(() => {});
      },
      { timeoutMs: 2_000, concurrency: 1, retry: { maxAttempts: 1 } },
    );
    await publish(made, 1, 2);
    await made.clock.advanceBy(6_999);
    expect(started).toEqual([1]);
    await made.advanceBy(1);
    expect(started).toEqual([1, 2]);
    expect((await made.store.dead.list()).letters).toMatchObject([
      { reason: "exhausted", error: { code: "EVT_HANDLER_TIMEOUT" } },
    ]);
  });

  test("ES-169 a handler that still succeeds within the 5 s has succeeded", async () => {
    const made = await withHandler(
      async () => {
        await made.clock.sleep(6_000);
      },
      { timeoutMs: 2_000 },
    );
    await publish(made, 1);
    await made.clock.advanceBy(7_000);
    await made.runUntilIdle();
    expect(await made.transport.depth("notes.remember_builds")).toMatchObject({ ready: 0, scheduled: 0, running: 0 });
    expect((await made.store.dead.list()).letters).toEqual([]);
  });

  test("ES-167 the lease is extended while the handler runs", async () => {
    let calls = 0;
    const made = await withHandler(
      async () => {
        calls++;
        await made.clock.sleep(120_000);
      },
      { timeoutMs: 200_000 },
    );
    await publish(made, 1);
    await made.clock.advanceBy(119_000);
    expect(calls).toBe(1);
    expect((await made.transport.depth("notes.remember_builds")).running).toBe(1);
    await made.clock.advanceBy(2_000);
    await made.runUntilIdle();
    expect(calls).toBe(1);
  });
});

describe("crashes", () => {
  test("ES-169 a delivery whose lease ran out twice runs alone, and alone crashes bury it", async () => {
    const handled: string[] = [];
    const made = createTestStore({
      configure: (registry) =>
        registry.subscribe(
          defineSubscriber("notes.remember_builds", {
            handle: async (event: DomainEvent<Build>) => void handled.push(event.id),
          }),
          { to: BuildFinished },
        ),
    });
    running.push(made);
    const poison = BuildFinished.create({ build_id: 1 });
    await made.store.publish(poison);
    for (let crash = 1; crash <= 5; crash++) await crashOnce(made, crash > 2 ? "alone" : "begun");
    await made.store.start();
    await made.runUntilIdle();
    expect(handled).toEqual([]);
    expect((await made.store.dead.list()).letters).toMatchObject([
      { id: `${poison.id}.notes.remember_builds/ci.build_finished`, reason: "crashed" },
    ]);
    expect(await made.transport.depth("notes.remember_builds")).toMatchObject({ ready: 0, running: 0 });
  });

  test("ES-169 a suspect runs while nothing else does, and is not buried for crashes in company", async () => {
    let runningNow = 0;
    let most = 0;
    const ranAlone: boolean[] = [];
    const other = defineSubscriber("notes.count_builds", {
      handle: async () => {
        most = Math.max(most, ++runningNow);
        await made.clock.sleep(1_000);
        runningNow--;
      },
    });
    const worker = defineSubscriber("notes.remember_builds", {
      handle: async () => {
        ranAlone.push(runningNow === 0);
        runningNow++;
        await made.clock.sleep(1_000);
        runningNow--;
      },
    });
    const made = createTestStore({
      configure: (registry) => {
        registry.subscribe(worker, { to: BuildFinished });
        registry.subscribe(other, { to: BuildFinished });
      },
    });
    running.push(made);
    await publish(made, 1);
    for (let crash = 1; crash <= 4; crash++) await crashOnce(made, "begun");
    await publish(made, 2, 3);
    await made.store.start();
    await made.advanceBy(60_000);
    expect(ranAlone).toHaveLength(3);
    expect(most).toBeGreaterThan(1);
    // The suspect is the first of its queue, but waits until the process is free.
    expect(ranAlone.filter(Boolean).length).toBeGreaterThanOrEqual(1);
    expect((await made.store.dead.list()).letters).toEqual([]);
  });

  test("ES-169 what a killed process left behind is handled in groups that nothing else runs beside, not one by one", async () => {
    const { made, calls } = batchesRemembered();
    const left = Array.from({ length: 256 }, (_, index) => index + 1);
    await publish(made, ...left);
    for (let crash = 1; crash <= 2; crash++) await crashOnce(made, "begun", left.length);
    await publish(made, 257);
    await made.store.start();
    await made.runUntilIdle();
    expect(calls.flat().sort((one, other) => one - other)).toEqual([...left, 257]);
    const suspected = calls.filter((call) => !call.includes(257));
    // An eighth of a batch, and more each time that it went well.
    expect(suspected.map(({ length }) => length)).toEqual([32, 64, 128, 32]);
    expect((await made.store.dead.list()).letters).toEqual([]);
  });

  test("ES-169 what killed processes had only fetched is no suspect: it runs beside others as ever", async () => {
    const { made, calls } = batchesRemembered();
    const left = Array.from({ length: 256 }, (_, index) => index + 1);
    await publish(made, ...left);
    for (let crash = 1; crash <= 5; crash++) await crashOnce(made, undefined, left.length);
    await made.store.start();
    await made.runUntilIdle();
    expect(calls).toEqual([left]);
  });

  test("ES-169 who came back from a crash is marked before it begins, in one call to the transport for all of its batch", async () => {
    const order: string[] = [];
    const made = createTestStore({
      configure: (registry) =>
        registry.subscribe(
          defineSubscriber("notes.remember_builds", {
            batch: {},
            handleBatch: async (events: readonly DomainEvent<Build>[]) => void order.push(`handled ${events.length}`),
          }),
          { to: BuildFinished },
        ),
    });
    running.push(made);
    const { transport } = made;
    const extend = transport.extend.bind(transport);
    transport.extend = async (leases, options) => {
      const results = await extend(leases, options);
      order.push(`${options?.mark} ${leases.length}`);
      return results;
    };
    await publish(made, 1, 2, 3);
    await crashOnce(made, undefined, 3);
    await publish(made, 4);
    await made.store.start();
    await made.runUntilIdle();
    await publish(made, 5);
    await made.runUntilIdle();
    // The fourth had not crashed, and nor had the fifth, for which nothing is written.
    expect(order).toEqual(["begun 3", "handled 4", "handled 1"]);
  });

  test("ES-169 ES-204 a lease that runs out in a process that lives makes no suspect there", async () => {
    const calls: number[][] = [];
    const made = createTestStore({
      configure: (registry) =>
        registry.subscribe(
          defineSubscriber("notes.remember_builds", {
            timeoutMs: 600_000,
            concurrency: { perProcess: 8 },
            batch: {},
            handleBatch: async (events: readonly DomainEvent<Build>[]) => {
              calls.push(events.map(({ data }) => data.build_id));
              if (calls.length < 4) await made.clock.sleep(40_000);
            },
          }),
          { to: BuildFinished },
        ),
    });
    running.push(made);
    const { transport } = made;
    const extend = transport.extend.bind(transport);
    // As on a machine that is too busy: no sign of life arrives in time, and each comes when it is too late.
    transport.extend = async (leases, options) => {
      if (!options?.mark) await made.clock.sleep(11_000);
      return extend(leases, options);
    };
    const all = Array.from({ length: 64 }, (_, index) => index + 1);
    await publish(made, ...all);
    await made.store.start();
    await made.advanceBy(120_000);
    expect(calls.length).toBeGreaterThanOrEqual(4);
    // Suspects would come in groups of an eighth of a batch.
    for (const call of calls) expect(call).toHaveLength(64);
    expect((await made.store.dead.list()).letters).toEqual([]);
  });

  /** What a process does that dies with the delivery: it takes the lease and is never heard of again. */
  /** A store whose one subscriber takes batches; `calls` are the builds of each call. */
  function batchesRemembered(): { readonly made: TestStore; readonly calls: readonly (readonly number[])[] } {
    const calls: number[][] = [];
    const made = createTestStore({
      configure: (registry) =>
        registry.subscribe(
          defineSubscriber("notes.remember_builds", {
            batch: {},
            handleBatch: async (events: readonly DomainEvent<Build>[]) =>
              void calls.push(events.map(({ data }) => data.build_id)),
          }),
          { to: BuildFinished },
        ),
    });
    running.push(made);
    return { made, calls };
  }

  async function crashOnce(
    { transport, clock }: TestStore,
    mark: "begun" | "alone" | undefined,
    count = 1,
  ): Promise<void> {
    let leases: Parameters<Parameters<typeof transport.consume>[1]>[0] = [];
    await transport.open();
    const consumer = transport.consume(
      {
        subscriber: "notes.remember_builds",
        maxInFlight: count,
        leaseMs: 10_000,
        maxTotal: null,
        perKey: 1,
        rateLimit: null,
        capacity: () => count - leases.length,
        limited: () => {},
        hurry: () => {},
      },
      (batch) => {
        leases = [...leases, ...batch];
      },
    );
    await expect.poll(() => leases.length).toBe(count);
    await consumer.stop();
    if (mark) await transport.extend(leases, { mark });
    await clock.advanceBy(10_001);
  }
});
