import { describe, expect, onTestFinished, test, vi } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber, type HandlerContext, type SubscriberOptions } from "./define-subscriber.js";
import { EventStoreError, InvalidEvent } from "./errors.js";
import type { DomainEvent } from "./event.js";
import type { PublishReceipt } from "./publish-outcome.js";
import type { SubscribeOptions } from "./registry.js";
import type { EventStoreOptions } from "./store-options.js";
import { createTestStore, type TestStore } from "./test-store.js";
import type { Delivery } from "./transports/transport.js";

const JobFinished = defineEvent("ci.job_finished", {
  schema: { type: "object", required: ["job_id"], properties: { job_id: { type: "integer" } } },
});
const JobStarted = defineEvent("ci.job_started", { schema: { type: "object" } });
type Job = { job_id: number };

// What a group is

test("ES-130 a group resolves with one decision for each event and subscription", async () => {
  const made = setUp({ if: (event) => event.data.job_id !== 2 });
  const events = jobs(3);
  const receipt = await made.store.publishGroup(events);
  expect(receipt.eventIds).toEqual(events.map(({ id }) => id));
  expect(receipt.decisions.map(({ eventId, decision }) => [eventId, decision])).toEqual([
    [events[0]?.id, "dispatched"],
    [events[1]?.id, "condition_false"],
    [events[2]?.id, "dispatched"],
  ]);
});

test("ES-130 an empty group resolves with an empty receipt", async () => {
  const made = setUp();
  expect(await made.store.publishGroup([])).toEqual({ eventIds: [], decisions: [] });
  expect(made.deliveries()).toEqual([]);
});

test.each<[string, () => unknown[]]>([
  ["a second definition", () => [...jobs(2), JobStarted.create({})]],
  ["data", () => [...jobs(2), { job_id: 3 }]],
  ["nothing", () => [undefined, ...jobs(2)]],
])("ES-130 a group with %s in it is refused and nothing is dispatched", async (_, events) => {
  const made = setUp();
  // @ts-expect-error among the events are some that are none
  const error = await refusal(made.store.publishGroup(events()));
  expect(error).toBeInstanceOf(InvalidEvent);
  expect(error.code).toBe("EVT_GROUP_MIXED");
  expect(made.deliveries()).toEqual([]);
});

test("ES-130 what is no list of events is no group", async () => {
  const { store } = setUp();
  const [job] = jobs(1);
  // @ts-expect-error one event is no list
  expect(await refusal(store.publishGroup(job))).toMatchObject({ code: "EVT_GROUP_MIXED" });
  // @ts-expect-error nothing is no list either
  expect(await refusal(store.publishGroup())).toMatchObject({ code: "EVT_GROUP_MIXED" });
});

test("ES-130 a group of an unregistered definition is refused", async () => {
  const made = setUp();
  expect((await refusal(made.store.publishGroup([JobStarted.create({})]))).code).toBe("EVT_UNKNOWN_TYPE");
});

test("ES-130 a transport error names every event of the group", async () => {
  const made = setUp();
  const events = jobs(3);
  for (const cause of [new Error("away"), new EventStoreError("EVT_TRANSPORT_UNAVAILABLE")]) {
    made.enqueue.mockRejectedValueOnce(cause);
    expect(await refusal(made.store.publishGroup(events))).toMatchObject({
      code: "EVT_TRANSPORT_UNAVAILABLE",
      retryable: true,
      cause,
      details: { eventIds: events.map(({ id }) => id) },
    });
  }
});

test("ES-130 a failing condition leaves its event out, keeps it as a dead letter, and the error names the group", async () => {
  const made = setUp({
    if({ data }) {
      if (data.job_id === 2) throw new Error("on purpose");
      return true;
    },
  });
  const events = jobs(3);
  const error = await refusal(made.store.publishGroup(events));
  expect(error).toMatchObject({ code: "EVT_DISPATCH_FAILED", details: { eventIds: events.map(({ id }) => id) } });
  expect(made.groups()).toEqual([[1, 3]]);
  expect((await made.store.dead.list()).letters).toMatchObject([
    { id: `${events[1]?.id}.notes.worker/ci.job_finished`, reason: "condition_error" },
  ]);
});

test("ES-105 a repeated group is not delivered twice", async () => {
  const made = setUp();
  const events = jobs(25);
  await made.store.publishGroup(events);
  const again = await made.store.publishGroup(events);
  expect(new Set(again.decisions.map(({ decision }) => decision))).toEqual(new Set(["duplicate"]));
  expect((await made.transport.depth("notes.worker")).ready).toBe(3);
});

// Slices

test("ES-131 each subscription gets slices of ten in order: 25 events are 10, 10 and 5", async () => {
  const made = setUp();
  const events = jobs(25);
  await made.store.publishGroup(events);
  expect(made.groups()).toEqual([range(1, 10), range(11, 20), range(21, 25)]);
  expect(made.deliveries().map(({ id }) => id)).toEqual([
    `${events[0]?.id}.notes.worker/ci.job_finished.g0`,
    `${events[10]?.id}.notes.worker/ci.job_finished.g1`,
    `${events[20]?.id}.notes.worker/ci.job_finished.g2`,
  ]);
});

test("ES-131 the condition is asked before slicing", async () => {
  const made = setUp({ groupSize: 3, if: ({ data }) => data.job_id % 2 === 0 });
  await made.store.publishGroup(jobs(10));
  expect(made.groups()).toEqual([
    [2, 4, 6],
    [8, 10],
  ]);
});

test("ES-131 when nothing is left the transport is not called", async () => {
  const made = setUp({ if: () => false });
  await made.store.publishGroup(jobs(10));
  expect(made.enqueue).not.toHaveBeenCalled();
});

test("ES-131 a group of one event is a group", async () => {
  const made = setUp();
  const [event] = jobs(1);
  await made.store.publishGroup(event ? [event] : []);
  expect(made.groups()).toEqual([[1]]);
});

test("ES-183 events of different keys never share a slice, and keep their order", async () => {
  const made = setUp({ groupSize: 2, key: ({ data }) => (data.job_id % 2 === 0 ? "even" : "odd") });
  await made.store.publishGroup(jobs(6));
  expect(made.deliveries().map(({ key }) => key)).toEqual(["odd", "even", "odd", "even"]);
  expect(made.groups()).toEqual([[1, 3], [2, 4], [5], [6]]);
});

test("ES-050 the sequence of an event in a group is its place, unless it has one", async () => {
  const made = setUp({ groupSize: 2 });
  await made.store.publishGroup([...jobs(3), JobFinished.create({ job_id: 4 }, { sequence: "mine" })]);
  expect(made.envelopes().map(({ sequence }) => sequence)).toEqual(["0000000000", "0000000001", "0000000002", "mine"]);
  await made.store.start();
  await made.runUntilIdle();
  expect(made.handled.map(({ sequence }) => sequence)).toEqual(["0000000000", "0000000001", "0000000002", "mine"]);
});

// Time

test("ES-132 up to 100 groups are handed over in one call and due at once", async () => {
  const made = setUp({ groupSize: 1 });
  await made.store.publishGroup(jobs(100));
  expect(made.enqueue).toHaveBeenCalledTimes(1);
  expect(new Set(made.deliveries().map(({ dueAtMs }) => dueAtMs))).toEqual(new Set([0]));
});

test("ES-132 up to 100 groups with a delay are all due when it is over", async () => {
  const made = setUp({ groupSize: 1, delayMs: 5_000 });
  const receipt = await made.store.publishGroup(jobs(100));
  expect(made.dueAfterMs()).toEqual(Array(100).fill(5_000));
  expect(receipt.decisions.every(({ decision }) => decision === "scheduled")).toBe(true);
});

test("ES-132 more than 100 groups are spread: 100 after one second, 100 every ten seconds after", async () => {
  const made = setUp({ groupSize: 1 });
  await made.store.publishGroup(jobs(250));
  expect(made.dueAfterMs()).toEqual([...Array(100).fill(1_000), ...Array(100).fill(11_000), ...Array(50).fill(21_000)]);
});

test("ES-132 a longer delay is the base of the spread, a shorter one is not", async () => {
  const later = setUp({ groupSize: 1, delayMs: 60_000 });
  await later.store.publishGroup(jobs(101));
  expect(new Set(later.dueAfterMs())).toEqual(new Set([60_000, 70_000]));
  const sooner = setUp({ groupSize: 1, delayMs: 10 });
  await sooner.store.publishGroup(jobs(101));
  expect(new Set(sooner.dueAfterMs())).toEqual(new Set([1_000, 11_000]));
});

test("ES-132 the three constants can be set, but not to nothing", async () => {
  const limits = { groupBatchSize: 2, groupBatchGapMs: 7, groupBaseDelayMs: 3 };
  const made = setUp({ groupSize: 1 }, {}, { limits });
  await made.store.publishGroup(jobs(5));
  expect(made.dueAfterMs()).toEqual([3, 3, 10, 10, 17]);
  for (const name of ["groupBatchSize", "groupBatchGapMs", "groupBaseDelayMs"])
    for (const value of [0, -1])
      expect(() => setUp({}, {}, { limits: { [name]: value } })).toThrow(
        expect.objectContaining({ code: "EVT_CONFIG_INVALID", details: { option: `limits.${name}` } }),
      );
});

test("ES-132 the transport gets at most 1,000 deliveries in a call, and the event loop runs in between", async () => {
  const made = setUp({ groupSize: 1 });
  let turns = 0;
  let counting = true;
  const count = (): void => {
    turns++;
    if (counting) setImmediate(count);
  };
  const turnsAtCall: number[] = [];
  made.enqueue.mockImplementation(async (deliveries) => {
    turnsAtCall.push(turns);
    return deliveries.map(() => "enqueued");
  });
  setImmediate(count);
  await made.store.publishGroup(jobs(2_500));
  counting = false;
  expect(made.enqueue.mock.calls.map(([deliveries]) => deliveries.length)).toEqual([1_000, 1_000, 500]);
  expect(turnsAtCall[1]).toBeGreaterThan(turnsAtCall[0] ?? 0);
  expect(turnsAtCall[2]).toBeGreaterThan(turnsAtCall[1] ?? 0);
});

test("ES-132 large deliveries reach the transport in smaller portions, all of them and in order", async () => {
  const made = setUp({ groupSize: 10 });
  const text = "x".repeat(20_000);
  const data = range(1, 100).map((job_id) => ({ job_id, text }));
  const events = data.map((each) => JobFinished.create(each));
  await made.store.publishGroup(events);
  const lengths = made.enqueue.mock.calls.map(([given]) => given.reduce((sum, { body }) => sum + body.length, 0));
  expect(lengths.length).toBeGreaterThan(1);
  expect(Math.max(...lengths)).toBeLessThan(1_000_000);
  expect(made.groups().flat()).toEqual(range(1, 100));
});

test("ES-132 conditions of a large group leave the event loop turns", async () => {
  const made = setUp({ if: () => false });
  const events = jobs(5_000);
  let turns = 0;
  let counting = true;
  const count = (): void => {
    turns++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  await made.store.publishGroup(events);
  counting = false;
  expect(turns).toBeGreaterThanOrEqual(2);
});

test("ES-105 every slice is tried, also after one has failed", async () => {
  const made = setUp({ groupSize: 1 }, {}, { errors: { transport: "report" } });
  made.enqueue.mockRejectedValueOnce(new Error("away"));
  const receipt = await made.store.publishGroup(jobs(1_001));
  const decisions = receipt.decisions.map(({ decision }) => decision);
  expect(decisions.slice(0, 1_000).every((decision) => decision === "transport_error")).toBe(true);
  expect(decisions[1_000]).toBe("dispatched");
});

test("ES-105 one failed slice rejects the whole, whatever became of the later ones", async () => {
  const made = setUp({ groupSize: 1 });
  made.enqueue.mockRejectedValueOnce(new Error("away"));
  expect((await refusal(made.store.publishGroup(jobs(1_001)))).code).toBe("EVT_TRANSPORT_UNAVAILABLE");
  expect((await made.transport.depth("notes.worker")).scheduled).toBe(1);
});

// Handling

describe("ES-134 with handle", () => {
  test("a group is handled one event after the other, in order", async () => {
    const running = { now: 0, most: 0 };
    const order: number[] = [];
    const made = setUp({}, async ({ data }) => {
      running.most = Math.max(running.most, ++running.now);
      order.push(data.job_id);
      await new Promise(setImmediate);
      running.now--;
    });
    await made.store.start();
    await made.store.publishGroup(jobs(10));
    await made.runUntilIdle();
    expect(order).toEqual(range(1, 10));
    expect(running.most).toBe(1);
  });

  test("a failing item does not stop the later ones, and is retried alone with its own attempts", async () => {
    const calls: [number, number][] = [];
    const made = setUp({ groupSize: 5 }, async ({ data }, { attempt }) => {
      calls.push([data.job_id, attempt]);
      if (data.job_id === 2 && attempt < 3) throw new Error("not yet");
      if (data.job_id === 4 && attempt < 2) throw new Error("not yet");
    });
    await made.store.start();
    await made.store.publishGroup(jobs(5));
    await made.runUntilIdle();
    expect(calls).toEqual(range(1, 5).map((id) => [id, 1]));
    calls.length = 0;
    expect((await waiting(made)).map(idsOf)).toEqual([[2, 4]]);
    await made.advanceBy(1_500);
    expect(calls).toEqual([
      [2, 2],
      [4, 2],
    ]);
    expect((await waiting(made)).map(idsOf)).toEqual([[2]]);
    await made.advanceBy(10_000);
    expect(calls.at(-1)).toEqual([2, 3]);
    expect(await waiting(made)).toEqual([]);
  });

  test("the dead letter of an item has the attempts of that item alone", async () => {
    const made = setUp(
      { groupSize: 3 },
      async ({ data }, { attempt }) => {
        if (data.job_id === 1 || (data.job_id === 3 && attempt === 1)) throw new Error(`no ${data.job_id}`);
      },
      { retryAttempts: 3 },
    );
    await made.store.start();
    const events = jobs(3);
    await made.store.publishGroup(events);
    await made.advanceBy(60_000);
    const { letters } = await made.store.dead.list();
    expect(letters).toMatchObject([{ id: `${events[0]?.id}.notes.worker/ci.job_finished`, reason: "exhausted" }]);
    expect(letters[0]?.attempts.map(({ error }) => error.message)).toEqual(["no 1", "no 1", "no 1"]);
    expect(await waiting(made)).toEqual([]);
  });

  test("with a key a failed item keeps the later ones waiting, in order", async () => {
    const calls: [number, number][] = [];
    const made = setUp({ key: () => "same" }, async ({ data }, { attempt }) => {
      calls.push([data.job_id, attempt]);
      if (data.job_id === 2 && attempt === 1) throw new Error("not yet");
    });
    await made.store.start();
    await made.store.publishGroup(jobs(4));
    await made.runUntilIdle();
    expect(calls).toEqual([
      [1, 1],
      [2, 1],
    ]);
    await made.advanceBy(2_000);
    expect(calls.slice(2)).toEqual([
      [2, 2],
      [3, 1],
      [4, 1],
    ]);
  });

  test("with a key a dead item lets the later ones go", async () => {
    const calls: number[] = [];
    const made = setUp({ key: () => "same" }, async ({ data }) => {
      calls.push(data.job_id);
      if (data.job_id === 1) throw Object.assign(new Error("never"), { retryable: false });
    });
    await made.store.start();
    await made.store.publishGroup(jobs(3));
    await made.runUntilIdle();
    expect(calls).toEqual([1, 2, 3]);
    expect((await made.store.dead.list()).letters).toMatchObject([{ reason: "refused" }]);
  });

  test("an item that hangs does not take the others with it", async () => {
    const calls: number[] = [];
    const made = setUp(
      {},
      async ({ data }) => {
        calls.push(data.job_id);
        if (data.job_id === 1) await new Promise(() => {});
      },
      { retryAttempts: 2 },
    );
    await made.store.start();
    await made.store.publishGroup(jobs(3));
    await made.clock.advanceBy(3_600_000);
    await made.runUntilIdle();
    expect(new Set(calls)).toEqual(new Set([1, 2, 3]));
    expect((await made.store.dead.list()).letters.map(({ error }) => error.code)).toEqual(["EVT_HANDLER_TIMEOUT"]);
  });
});

describe("ES-134 with handleBatch", () => {
  test("a group is one list, whatever waits beside it", async () => {
    const calls: number[][] = [];
    const made = setUpBatch(async (events) => void calls.push(events.map(({ data }) => data.job_id)));
    await made.store.publish(JobFinished.create({ job_id: 99 }));
    await made.store.publishGroup(jobs(12));
    await made.store.start();
    await made.runUntilIdle();
    expect(calls.sort((left, right) => (left[0] ?? 0) - (right[0] ?? 0))).toEqual([range(1, 10), [11, 12], [99]]);
  });

  test("with `joinGroups` groups and single events share calls up to the limit, and each is settled by itself", async () => {
    const calls: number[][] = [];
    const refused = new Set([3, 12]);
    const made = setUpBatch(
      async (events) => {
        const ids = events.map(({ data }) => data.job_id);
        calls.push(ids);
        return { failed: ids.flatMap((id, index) => (refused.delete(id) ? [{ index, error: new Error("no") }] : [])) };
      },
      { joinGroups: true, maxSize: 15 },
    );
    await made.store.publishGroup(jobs(12));
    await made.store.publish(JobFinished.create({ job_id: 98 }));
    await made.store.publishGroup(jobs(2));
    await made.store.publish(JobFinished.create({ job_id: 99 }));
    await made.store.start();
    await made.advanceBy(60_000);
    expect(calls).toEqual([[...range(1, 12), 98, 1, 2], [99], [3, 12]]);
    expect(await waiting(made)).toEqual([]);
  });

  test("items named in `failed` are retried as a smaller group, the others are done", async () => {
    const calls: number[][] = [];
    const made = setUpBatch(async (events, { attempt }) => {
      calls.push(events.map(({ data }) => data.job_id));
      if (attempt > 1) return { failed: [] };
      return {
        failed: [
          { index: 1, error: new Error("no") },
          { index: 3, error: new Error("no") },
        ],
      };
    });
    await made.store.start();
    await made.store.publishGroup(jobs(5));
    await made.advanceBy(60_000);
    expect(calls).toEqual([range(1, 5), [2, 4]]);
    expect(await waiting(made)).toEqual([]);
  });

  test("throwing fails all", async () => {
    const calls: number[][] = [];
    const made = setUpBatch(async (events, { attempt }) => {
      calls.push(events.map(({ data }) => data.job_id));
      if (attempt === 1) throw new Error("no");
    });
    await made.store.start();
    await made.store.publishGroup(jobs(3));
    await made.advanceBy(60_000);
    expect(calls).toEqual([range(1, 3), range(1, 3)]);
  });

  test.each<[string, unknown]>([
    ["beyond the end", { failed: [{ index: 3, error: 1 }] }],
    ["below zero", { failed: [{ index: -1, error: 1 }] }],
    ["given twice", { failed: [{ index: 0 }, { index: 0 }] }],
    ["that is no integer", { failed: [{ index: 0.5 }] }],
    ["that is no number", { failed: [{ index: "0" }] }],
    ["that is missing", { failed: [{}] }],
    ["of nothing", { failed: [null] }],
    ["in something else than a list", { failed: 0 }],
    ["in something else than a result", "all fine"],
  ])("an index %s fails all with EVT_BATCH_RESULT_INVALID", async (_, result) => {
    // @ts-expect-error among the results are some that are none
    const made = setUpBatch(async () => result);
    await made.store.start();
    await made.store.publishGroup(jobs(3));
    await made.runUntilIdle();
    const { letters } = await made.store.dead.list();
    expect(letters.map(({ error, reason }) => [error.code, reason])).toEqual(
      Array(3).fill(["EVT_BATCH_RESULT_INVALID", "refused"]),
    );
  });
});

type Handler = (event: DomainEvent<Job>, context: HandlerContext) => Promise<void>;

interface Made extends TestStore {
  readonly enqueue: ReturnType<typeof spyOnEnqueue>;
  readonly handled: DomainEvent<Job>[];
  deliveries(): Delivery[];
  /** Ids of the jobs of each delivery. */
  groups(): number[][];
  envelopes(): Record<string, unknown>[];
  dueAfterMs(): number[];
}

function setUp(
  subscribe: Partial<SubscribeOptions<Job>> = {},
  handler: Handler | { readonly handle?: Handler } = {},
  { retryAttempts = 25, ...options }: Partial<EventStoreOptions> & { readonly retryAttempts?: number } = {},
): Made {
  const handled: DomainEvent<Job>[] = [];
  const given = typeof handler === "function" ? handler : undefined;
  const handle: Handler = async (event, context) => {
    handled.push(event);
    await given?.(event, context);
  };
  const retry = { jitter: 0, maxAttempts: retryAttempts };
  return made({ handle, retry, concurrency: 1 }, subscribe, options, handled);
}

function setUpBatch(
  handleBatch: NonNullable<SubscriberOptions<Job>["handleBatch"]>,
  batch: NonNullable<SubscriberOptions<Job>["batch"]> = {},
): Made {
  return made({ handleBatch, batch, retry: { jitter: 0 } }, {}, {}, []);
}

function made(
  subscriber: SubscriberOptions<Job>,
  subscribe: Partial<SubscribeOptions<Job>>,
  options: Partial<EventStoreOptions>,
  handled: DomainEvent<Job>[],
): Made {
  const Worker = defineSubscriber<Job>("notes.worker", subscriber);
  const test = createTestStore({
    ...options,
    configure: (registry) => registry.subscribe(Worker, { ...subscribe, to: JobFinished }),
  });
  onTestFinished(async () => {
    await Promise.all([test.store.stop(), test.clock.advanceBy(60_000)]);
  });
  const enqueue = spyOnEnqueue(test);
  const deliveries = (): Delivery[] => enqueue.mock.calls.flatMap(([given]) => given);
  return {
    ...test,
    enqueue,
    handled,
    deliveries,
    groups: () => deliveries().map(idsOf),
    envelopes: () => deliveries().flatMap(({ body }): Record<string, unknown>[] => JSON.parse(body)),
    dueAfterMs: () => deliveries().map(({ dueAtMs }) => dueAtMs - test.clock.nowMs()),
  };
}

function spyOnEnqueue({ transport }: TestStore) {
  return vi.spyOn(transport, "enqueue");
}

function waiting({ transport }: TestStore) {
  return transport.peek({ subscriber: "notes.worker" }, 100);
}

function idsOf({ body }: { readonly body: string }): number[] {
  return JSON.parse(body).map((wire: { data: Job }) => wire.data.job_id);
}

function jobs(count: number): DomainEvent<Job>[] {
  return range(1, count).map((job_id) => JobFinished.create({ job_id }));
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

async function refusal(work: Promise<PublishReceipt>): Promise<EventStoreError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof EventStoreError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
