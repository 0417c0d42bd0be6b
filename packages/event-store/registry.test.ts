import { describe, expect, test, vi } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber, type WorkOptions } from "./define-subscriber.js";
import { EventStoreError, InvalidEvent, InvalidSubscriber } from "./errors.js";
import { createEventStore, type EventStore } from "./event-store.js";
import type { Configure, PayloadOf, Registry, SubscribeOptions } from "./registry.js";
import { createMemoryTransport } from "./transports/memory.js";

const schema = {
  type: "object",
  properties: { ref: { type: "string" }, public: { type: "boolean" } },
} as const;
const Created = defineEvent("ci.pipeline_created", { schema });
const Finished = defineEvent("ci.pipeline_finished", { schema });
const Removed = defineEvent("ci.pipeline_removed", { schema });
const handle = async (): Promise<void> => {};
const First = defineSubscriber("merge_requests.first", { handle });
const Second = defineSubscriber("onboarding.second", { handle });

// Configuration

test("ES-002 every configure function runs once, in order, while the store is created", () => {
  const ran: string[] = [];
  storeOf(
    () => void ran.push("core"),
    () => void ran.push("edition"),
  );
  expect(ran).toEqual(["core", "edition"]);
});

test("ES-002 a configure function that returns a promise is refused, and so is what it registers later", async () => {
  let tellOutcome: (outcome: unknown) => void = () => {};
  const later = new Promise((resolve) => {
    tellOutcome = resolve;
  });
  const configure = async (registry: Registry): Promise<void> => {
    await null;
    tellOutcome(failure(() => registry.register(Created)));
  };
  const error = failure(() => storeOf(configure));
  expect(error).toBeInstanceOf(InvalidSubscriber);
  expect(error).toMatchObject({ code: "EVT_SUBSCRIPTION_INVALID", details: { option: "configure" } });
  expect(await later).toMatchObject({ code: "EVT_REGISTRY_FROZEN" });
});

test("ES-003 modules and editions contribute their own subscriptions to the same events", () => {
  const core: Configure = (registry) => registry.subscribe(First, { to: Created });
  const onboarding: Configure = (registry) => registry.subscribe(Second, { to: [Created, Finished] });
  const store = storeOf(core, onboarding);
  expect(idsFor(store, Created.type)).toEqual([
    "merge_requests.first/ci.pipeline_created",
    "onboarding.second/ci.pipeline_created",
  ]);
  expect(idsFor(store, Finished.type)).toEqual(["onboarding.second/ci.pipeline_finished"]);
});

test.each([
  [{ transport: undefined }, "transport", "is missing"],
  [{ transport: {} }, "transport", "with the method `open`"],
  [{ logger: console }, "logger", "with the method `child`"],
  [{ clock: Date }, "clock", "with the method `nowMs`"],
  [{ database: "forge.db" }, "database", "with the method `run`"],
  [{ dispatchLog: [] }, "dispatchLog", "with the method `dispatched`"],
  [{ source: "" }, "source", "must be a text"],
  [{ configure: "merge_requests" }, "configure", "must be a function"],
  [{ typePrefx: "org.example" }, "typePrefx", "did you mean `typePrefix`?"],
])("ES-004 the options %j make no store: %s %s", (options, option, message) => {
  const given = { transport: createMemoryTransport(), source: "/lab", configure: () => {}, ...options };
  const refusal = { code: "EVT_CONFIG_INVALID", details: { option }, message: expect.stringContaining(message) };
  expect(() => Reflect.apply(createEventStore, undefined, [given])).toThrow(expect.objectContaining(refusal));
});

test("ES-002 the rejection of such a promise goes nowhere else", async () => {
  const rejections: unknown[] = [];
  const note = (error: unknown): void => void rejections.push(error);
  process.on("unhandledRejection", note);
  const rejecting = async (): Promise<void> => Promise.reject(new Error("late"));
  expect(failure(() => storeOf(rejecting)).code).toBe("EVT_SUBSCRIPTION_INVALID");
  await new Promise(setImmediate);
  process.off("unhandledRejection", note);
  expect(rejections).toEqual([]);
});

// Subscriptions

test("ES-070 subscribe makes one subscription for each event in `to`", () => {
  const store = storeOf((registry) => registry.subscribe(First, { to: [Created, Finished] }));
  expect(store.describe().subscriptions.map(({ id }) => id)).toEqual([
    "merge_requests.first/ci.pipeline_created",
    "merge_requests.first/ci.pipeline_finished",
  ]);
});

test("ES-070 the order of registration is the order of dispatch", async () => {
  const Third = defineSubscriber("audit.third", { handle });
  const transport = createMemoryTransport();
  const enqueue = vi.spyOn(transport, "enqueue");
  const store = createEventStore({
    transport,
    source: "app",
    configure: [
      (registry) => registry.subscribe(Second, { to: Created }),
      (registry) => registry.subscribe(Third, { to: Created }),
      (registry) => registry.subscribe(First, { to: Created }),
    ],
  });
  const order = ["onboarding.second", "audit.third", "merge_requests.first"];
  expect(store.subscribersFor(Created).map(({ subscriber }) => subscriber.name)).toEqual(order);
  await store.publish(Created.create({}));
  expect(enqueue.mock.calls.map(([deliveries]) => deliveries.map(({ subscriber }) => subscriber))).toEqual([order]);
  await store.stop();
});

test("ES-070 types match exactly", () => {
  const Longer = defineEvent("ci.pipeline_created.twice", { schema });
  const store = storeOf((registry) => {
    registry.subscribe(First, { to: Created });
    registry.register(Longer);
  });
  for (const type of [Longer.type, "ci.pipeline", "ci.*", "ci.pipeline_create", "CI.pipeline_created", "*", ""])
    expect(store.subscribersFor(type)).toEqual([]);
});

test.each<[string, unknown]>([
  ["a type name", "ci.pipeline_created"],
  ["a look-alike", { ...Created, create: Created.create, is: Created.is }],
  ["an heir", Object.create(Created)],
  ["nothing", undefined],
  ["a list with a stranger", [Created, { type: "ci.x" }]],
])("ES-071 %s in `to` is no definition", (_, to) => {
  // @ts-expect-error `to` is bad on purpose
  const error = failure(() => storeOf((registry) => registry.subscribe(First, { to })));
  expect(error).toBeInstanceOf(InvalidEvent);
  expect(error.code).toBe("EVT_NOT_A_DEFINITION");
});

test("ES-071 an empty `to` is refused", () => {
  expect(failure(() => storeOf((registry) => registry.subscribe(First, { to: [] })))).toMatchObject({
    code: "EVT_SUBSCRIPTION_INVALID",
    details: { option: "to" },
  });
});

test.each<[string, unknown]>([
  ["a function", handle],
  ["a look-alike", { ...First }],
  ["an heir", Object.create(First)],
  ["a name", First.name],
  ["nothing", null],
])("ES-071 %s is no subscriber", (_, subscriber) => {
  // @ts-expect-error the subscriber is bad on purpose
  const error = failure(() => storeOf((registry) => registry.subscribe(subscriber, { to: Created })));
  expect(error).toBeInstanceOf(InvalidSubscriber);
  expect(error.code).toBe("EVT_NOT_A_SUBSCRIBER");
});

test("ES-071 subscribing twice to one definition is refused, in two calls or in one", () => {
  const twice = failure(() =>
    storeOf((registry) => {
      registry.subscribe(First, { to: Created });
      registry.subscribe(First, { to: [Finished, Created] });
    }),
  );
  const atOnce = failure(() => storeOf((registry) => registry.subscribe(First, { to: [Created, Created] })));
  for (const error of [twice, atOnce]) {
    expect(error).toBeInstanceOf(InvalidSubscriber);
    expect(error.code).toBe("EVT_DUPLICATE_SUBSCRIPTION");
  }
});

test("ES-076 two subscribers with one name are refused", () => {
  const Namesake = defineSubscriber(First.name, { handle });
  const error = failure(() =>
    storeOf((registry) => {
      registry.subscribe(First, { to: Created });
      registry.subscribe(Namesake, { to: Finished });
    }),
  );
  expect(error).toBeInstanceOf(InvalidSubscriber);
  expect(error.code).toBe("EVT_DUPLICATE_SUBSCRIPTION");
});

test("ES-071 register returns its argument, also a second time", () => {
  let returned: unknown[] = [];
  storeOf((registry) => {
    returned = [registry.register(Created), registry.register(Created)];
  });
  expect(returned).toEqual([Created, Created]);
});

test("ES-071 register takes nothing but definitions", () => {
  // @ts-expect-error a name is no definition
  const error = failure(() => storeOf((registry) => void registry.register("ci.pipeline_created")));
  expect(error).toBeInstanceOf(InvalidEvent);
  expect(error.code).toBe("EVT_NOT_A_DEFINITION");
});

test("ES-071 a second definition with a taken type is refused, whether registered or subscribed to", () => {
  const Again = defineEvent(Created.type, { schema });
  const registered = failure(() =>
    storeOf((registry) => {
      registry.register(Created);
      registry.register(Again);
    }),
  );
  const subscribed = failure(() =>
    storeOf((registry) => {
      registry.subscribe(First, { to: Created });
      registry.subscribe(Second, { to: Again });
    }),
  );
  for (const error of [registered, subscribed]) {
    expect(error).toBeInstanceOf(InvalidEvent);
    expect(error).toMatchObject({ code: "EVT_TYPE_TAKEN", details: { type: Created.type } });
  }
});

test("ES-071 lookup knows what was registered or subscribed to, and nothing else", () => {
  const found: unknown[] = [];
  storeOf((registry) => {
    registry.register(Created);
    registry.subscribe(First, { to: Finished });
    for (const type of [Created.type, Finished.type, Removed.type, "constructor", "__proto__"])
      found.push(registry.lookup(type));
  });
  expect(found).toEqual([Created, Finished, null, null, null]);
});

// Frozen

test("ES-073 after the store was created, subscribe and register are refused for old and new events", () => {
  let kept: Registry | undefined;
  storeOf((registry) => {
    kept = registry;
    registry.subscribe(First, { to: Created });
  });
  for (const attempt of [
    () => kept?.subscribe(Second, { to: Created }),
    () => kept?.subscribe(Second, { to: Removed }),
    () => kept?.register(Created),
    () => kept?.register(Removed),
  ])
    expect(failure(attempt).code).toBe("EVT_REGISTRY_FROZEN");
  expect(kept?.lookup(Removed.type)).toBeNull();
});

test("ES-073 lists, subscriptions and options are frozen at every depth", () => {
  const store = storeOf((registry) =>
    registry.subscribe(First, {
      to: Created,
      if: () => true,
      key: () => "k",
      retry: { maxAttempts: 3 },
      rateLimit: { max: 1, perMs: 1 },
      concurrency: { perProcess: 2, total: 3 },
      dedup: { until: "executed" },
      maxPending: { count: 5 },
    }),
  );
  const list = store.subscribersFor(Created);
  expect(Object.isFrozen(list)).toBe(true);
  const [subscription] = list;
  expect(unfrozenIn(subscription, "subscription")).toEqual([]);
});

test("ES-073 changing the caller's options afterwards changes nothing", async () => {
  const options = {
    to: [Created],
    if: () => true,
    key: () => "before",
    dedup: { until: "executed" as const, key: () => "before" },
    retry: { maxAttempts: 3 },
  };
  const transport = createMemoryTransport();
  const enqueue = vi.spyOn(transport, "enqueue");
  const configure: Configure = (registry) => registry.subscribe(First, options);
  const store = createEventStore({ transport, source: "app", configure });
  const deliveryOf = async (data: object) => {
    await store.publish(Created.create(data));
    return enqueue.mock.lastCall?.[0][0];
  };
  const before = await deliveryOf({ ref: "1" });
  Object.assign(options, { if: () => false, key: () => "after" });
  options.dedup.key = () => "after";
  options.retry.maxAttempts = 9;
  options.to.push(Finished);
  const after = await deliveryOf({ ref: "2" });
  expect(after).toMatchObject({ key: "before", dedup: before?.dedup });
  expect(store.subscribersFor(Created)[0]?.options.retry.maxAttempts).toBe(3);
  expect(store.subscribersFor(Finished)).toEqual([]);
  await store.stop();
});

test("ES-073 subscribersFor takes a definition or a type; an unknown type has none and leaves no trace", () => {
  const store = storeOf((registry) => registry.subscribe(First, { to: Created }));
  expect(store.subscribersFor(Created)).toBe(store.subscribersFor(Created.type));
  expect(store.subscribersFor("ci.unknown_event")).toEqual([]);
  expect(Object.isFrozen(store.subscribersFor("ci.unknown_event"))).toBe(true);
  expect(store.describe().events.map(({ type }) => type)).toEqual([Created.type]);
});

test("ES-073 a subscription exposes subscriber, event, condition and all options with their defaults", () => {
  const condition = (): boolean => true;
  const store = storeOf((registry) => registry.subscribe(First, { to: Created, if: condition }));
  const [subscription] = store.subscribersFor(Created);
  expect(subscription?.subscriber).toBe(First);
  expect(subscription?.event).toBe(Created);
  expect(subscription?.condition).toBe(condition);
  expect(subscription?.options).toEqual({
    urgency: "low",
    timeoutMs: 300_000,
    retry: {
      maxAttempts: 25,
      baseMs: 1_000,
      factor: 2,
      maxMs: 3_600_000,
      jitter: 0.2,
      maxAgeMs: 1_209_600_000,
      decide: null,
    },
    rateLimit: null,
    concurrency: { perProcess: 8, total: null, perKey: 1 },
    batch: null,
    delayMs: 0,
    groupSize: 10,
    fields: null,
    dedup: null,
    maxPending: null,
  });
});

test("ES-176 the default timeout follows the urgency", () => {
  const timeoutOf = (urgency: "high" | "low" | "throttled"): number | undefined =>
    storeOf((registry) => registry.subscribe(First, { to: Created, urgency })).subscribersFor(Created)[0]?.options
      .timeoutMs;
  expect([timeoutOf("high"), timeoutOf("low"), timeoutOf("throttled")]).toEqual([10_000, 300_000, 300_000]);
});

test("ES-175 a batch has at most 256 deliveries and waits 20 ms unless it is told otherwise", () => {
  const batchOf = (batch?: { maxSize?: number; maxWaitMs?: number; maxBytes?: number }) => {
    const Batch = defineSubscriber("ci.batch", { handleBatch: async () => {}, ...(batch && { batch }) });
    return storeOf((registry) => registry.subscribe(Batch, { to: Created })).subscribersFor(Created)[0]?.options.batch;
  };
  expect(batchOf()).toEqual({ maxSize: 256, maxWaitMs: 20, maxBytes: null, joinGroups: false });
  const told = { maxSize: 5, maxWaitMs: 0, maxBytes: 1_000 };
  expect(batchOf(told)).toEqual({ ...told, joinGroups: false });
});

test("ES-180 the defaults of dedup", () => {
  const store = storeOf((registry) => registry.subscribe(First, { to: Created, dedup: { until: "executing" } }));
  expect(store.subscribersFor(Created)[0]?.options.dedup).toEqual({
    until: "executing",
    ttlMs: 600_000,
    includeDelayed: false,
    ifDuplicate: "drop",
  });
});

// Ranges

describe("ES-074", () => {
  const ranges: [string, (value: unknown) => object, unknown[], unknown[]][] = [
    ["delayMs", (delayMs) => ({ delayMs }), [0, 31_536_000_000], [-1, 31_536_000_001, 1.5, "5", Number.NaN]],
    ["groupSize", (groupSize) => ({ groupSize }), [1, 1_000], [0, 1_001, 2.5]],
    ["timeoutMs", (timeoutMs) => ({ timeoutMs }), [1, 86_400_000], [0, 86_400_001]],
    ["concurrency", (concurrency) => ({ concurrency }), [1, 10_000], [0, 10_001, null, "8"]],
    ["concurrency.perProcess", (perProcess) => ({ concurrency: { perProcess } }), [1, 10_000], [0, 10_001]],
    ["concurrency.total", (total) => ({ concurrency: { total } }), [1, 10_000], [0, 10_001]],
    ["concurrency.perKey", (perKey) => ({ key: () => "k", concurrency: { perKey } }), [1, 10_000], [0, 10_001]],
    ["rateLimit.max", (max) => ({ rateLimit: { max, perMs: 1 } }), [1], [0, 0.5]],
    ["rateLimit.perMs", (perMs) => ({ rateLimit: { max: 1, perMs } }), [1], [0, -5]],
    ["retry.jitter", (jitter) => ({ retry: { jitter } }), [0, 0.5, 1], [-0.1, 1.1, Number.NaN]],
    ["retry.factor", (factor) => ({ retry: { factor } }), [1, 1.5], [0.9, -1, Number.POSITIVE_INFINITY]],
    ["retry.maxAttempts", (maxAttempts) => ({ retry: { maxAttempts } }), [1, 100], [0, 101]],
    ["retry.baseMs", (baseMs) => ({ retry: { baseMs } }), [0, 1], [-1]],
    ["retry.maxMs", (maxMs) => ({ retry: { maxMs } }), [0, 1], [-1]],
    ["retry.maxAgeMs", (maxAgeMs) => ({ retry: { maxAgeMs } }), [1], [0]],
    ["retry.decide", (decide) => ({ retry: { decide } }), [() => "retry"], ["retry"]],
    ["urgency", (urgency) => ({ urgency }), ["high", "low", "throttled"], ["urgent", 5]],
    ["dedup.until", (until) => ({ dedup: { until } }), ["executing", "executed"], ["done", undefined]],
    ["dedup.ttlMs", (ttlMs) => ({ dedup: { until: "executed", ttlMs } }), [1], [0]],
    [
      "dedup.ifDuplicate",
      (ifDuplicate) => ({ dedup: { until: "executed", ifDuplicate } }),
      ["drop", "reschedule_once"],
      ["keep"],
    ],
    ["maxPending.count", (count) => ({ maxPending: { count } }), [1], [0]],
    ["maxPending.bytes", (bytes) => ({ maxPending: { bytes } }), [1], [0]],
    ["if", (condition) => ({ if: condition }), [() => true], [true, "ref"]],
    ["key", (key) => ({ key }), [() => "k"], ["ref"]],
  ];

  for (const [option, optionsOf, good, bad] of ranges) {
    test.each(good.map((value) => [value]))(`${option} may be %s`, (value) => {
      expect(() => subscribing(optionsOf(value))).not.toThrow();
    });

    test.each(bad.map((value) => [value]))(`${option} may not be %s, and the error names it`, (value) => {
      const error = failure(() => subscribing(optionsOf(value)));
      expect(error).toBeInstanceOf(InvalidSubscriber);
      expect(error).toMatchObject({ code: "EVT_SUBSCRIPTION_INVALID", details: { option } });
      expect(error.message).toContain(`\`${option}\``);
    });
  }

  test.each([
    ["delay", { delay: 5 }],
    ["retry.attempts", { retry: { attempts: 5 } }],
    ["rateLimit.per", { rateLimit: { max: 1, perMs: 1, per: 1 } }],
    ["concurrency.perprocess", { concurrency: { perprocess: 1 } }],
    ["dedup.keys", { dedup: { until: "executed", keys: 1 } }],
    ["maxPending.size", { maxPending: { size: 1 } }],
  ])("the unknown option %s is refused by name", (option, options) => {
    expect(failure(() => subscribing(options))).toMatchObject({
      code: "EVT_SUBSCRIPTION_INVALID",
      details: { option },
    });
  });

  test("a rate limit needs both its numbers", () => {
    expect(failure(() => subscribing({ rateLimit: { max: 5 } })).details).toEqual({ option: "rateLimit" });
  });
});

test("ES-074 an async condition is refused at subscribe", () => {
  const error = failure(() => subscribing({ if: async () => true }));
  expect(error).toBeInstanceOf(InvalidSubscriber);
  expect(error.code).toBe("EVT_CONDITION_ASYNC");
});

// One subscriber, one queue

test("ES-076 work options of the subscriber are defaults for its subscriptions", () => {
  const Worker = defineSubscriber("ci.worker", { handle, urgency: "high", timeoutMs: 5, concurrency: 3 });
  const store = storeOf((registry) => registry.subscribe(Worker, { to: Created, timeoutMs: 7 }));
  expect(store.subscribersFor(Created)[0]?.options).toMatchObject({
    urgency: "high",
    timeoutMs: 7,
    concurrency: { perProcess: 3 },
  });
});

test.each<[string, WorkOptions, WorkOptions]>([
  ["urgency", { urgency: "high" }, { urgency: "low" }],
  ["timeoutMs", { timeoutMs: 1 }, { timeoutMs: 2 }],
  ["retry", { retry: { maxAttempts: 1 } }, { retry: { maxAttempts: 2 } }],
  ["rateLimit", { rateLimit: { max: 1, perMs: 1 } }, { rateLimit: { max: 2, perMs: 1 } }],
  ["concurrency", { concurrency: 1 }, { concurrency: { perProcess: 2 } }],
])("ES-076 two subscriptions that disagree on %s are refused", (option, one, other) => {
  const error = failure(() =>
    storeOf((registry) => {
      registry.subscribe(First, { to: Created, ...one });
      registry.subscribe(First, { to: Finished, ...other });
    }),
  );
  expect(error).toBeInstanceOf(InvalidSubscriber);
  expect(error).toMatchObject({ code: "EVT_SUBSCRIPTION_INVALID", details: { option } });
});

test("ES-076 what one subscription says about the work holds for the subscriber's others", () => {
  const store = storeOf((registry) => {
    registry.subscribe(First, { to: Created, retry: { maxAttempts: 3 } });
    registry.subscribe(First, { to: Finished, retry: { maxAttempts: 3 } });
    registry.subscribe(First, { to: Removed, timeoutMs: 9 });
  });
  for (const event of [Created, Finished, Removed])
    expect(store.subscribersFor(event)[0]?.options).toMatchObject({ retry: { maxAttempts: 3 }, timeoutMs: 9 });
});

test("ES-076 delays, groups, keys and dedup are a subscription's own", () => {
  const store = storeOf((registry) => {
    registry.subscribe(First, { to: Created, delayMs: 5, groupSize: 7, dedup: { until: "executed" } });
    registry.subscribe(First, { to: Finished });
  });
  expect(store.subscribersFor(Created)[0]?.options).toMatchObject({ delayMs: 5, groupSize: 7 });
  expect(store.subscribersFor(Finished)[0]?.options).toMatchObject({ delayMs: 0, groupSize: 10, dedup: null });
});

// Description

test("ES-285 equal stores are described equally, as JSON, in whatever order events were registered", () => {
  const describe = (...events: (typeof Created)[]) =>
    storeOf((registry) => {
      for (const event of events) registry.register(event);
      registry.subscribe(First, { to: Created, if: () => true, retry: { decide: () => "retry" } });
    }).describe();
  const description = describe(Finished, Created);
  expect(JSON.stringify(description)).toBe(JSON.stringify(describe(Created, Finished)));
  expect(JSON.parse(JSON.stringify(description))).toEqual(description);
  expect(description).toMatchObject({
    events: [
      { type: Created.type, version: 1, schemaHash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { type: Finished.type },
    ],
    subscriptions: [{ subscriber: First.name, event: Created.type, hasCondition: true, hasKey: false }],
    transport: { name: "memory", engineVersion: null, cannot: ["durability"], keyIsolation: "exact" },
    limits: { slots: 64 },
  });
});

test("ES-285 a subscription has a key when it or its event's definition says which", () => {
  const keyed = defineEvent("ci.job_finished", { schema: { type: "object" }, key: () => "k" });
  const store = storeOf((registry) => {
    registry.subscribe(First, { to: [keyed, Created] });
    registry.subscribe(Second, { to: Created, key: () => "k" });
  });
  expect(store.describe().subscriptions.map(({ id, hasKey }) => [id, hasKey])).toEqual([
    ["merge_requests.first/ci.job_finished", true],
    ["merge_requests.first/ci.pipeline_created", false],
    ["onboarding.second/ci.pipeline_created", true],
  ]);
});

function storeOf(...configure: Configure[]): EventStore {
  return createEventStore({ transport: createMemoryTransport(), source: "app", configure });
}

function subscribing(options: object): EventStore {
  const all: SubscribeOptions<PayloadOf<typeof Created>, typeof Created> = { to: Created, ...options };
  return storeOf((registry) => registry.subscribe(First, all));
}

function idsFor(store: EventStore, type: string): string[] {
  return store.subscribersFor(type).map(({ id }) => id);
}

/** Paths of objects that could be changed. */
function unfrozenIn(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  // A schema belongs to its author.
  const inner = Object.entries(value).flatMap(([key, member]) =>
    key === "schema" ? [] : unfrozenIn(member, `${path}.${key}`),
  );
  return Object.isFrozen(value) ? inner : [path, ...inner];
}

function failure(work: () => unknown): EventStoreError {
  try {
    work();
  } catch (error) {
    if (error instanceof EventStoreError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
