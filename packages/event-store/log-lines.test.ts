import { createLogger, type LogLevel, withContext } from "@signalbox/kernel";
import { describe, expect, onTestFinished, test } from "vitest";
import type { DataOf } from "./data-type.js";
import { defineEvent, type LogMode } from "./define-event.js";
import { defineSubscriber, type RetryVerdict } from "./define-subscriber.js";
import type { DispatchRecord, HandlingRecord } from "./dispatch-log.js";
import type { DomainEvent } from "./event.js";
import { redactData } from "./redact.js";
import { createTestStore, type TestStore, type TestStoreOptions } from "./test-store.js";

const schema = {
  type: "object",
  properties: {
    pipeline_id: { type: "integer" },
    text: { type: "string" },
    user: { type: "object" },
    members: { type: "array" },
  },
} as const;
type Data = DataOf<typeof schema>;

// What is said

test("ES-275 a publish is one info line with who got the event and who did not", async () => {
  const made = await setUp({ subscribers: { "a.one": {}, "b.two": { if: () => false }, "c.three": { delayMs: 5 } } });
  const event = await made.publish({ pipeline_id: 7 });
  expect(made.lines("event published")).toEqual([
    {
      time: expect.any(String),
      level: "info",
      component: "server",
      msg: "event published",
      event_id: event.id,
      event_type: "ci.pipeline_created",
      event_data: '{"pipeline_id":7}',
      correlation_id: event.correlationId,
      dispatched: ["a.one/ci.pipeline_created", "c.three/ci.pipeline_created"],
      skipped: { "b.two/ci.pipeline_created": "condition_false" },
    },
  ]);
});

test("ES-275 an event without subscribers is logged too", async () => {
  const made = await setUp({ subscribers: {} });
  await made.publish({});
  expect(made.lines("event published")).toMatchObject([{ dispatched: [], skipped: {} }]);
});

test("ES-275 each event of a group has its own line", async () => {
  const made = await setUp({});
  await made.store.publishGroup([1, 2].map((pipeline_id) => made.event.create({ pipeline_id })));
  expect(made.lines("event published").map(({ event_data }) => event_data)).toEqual([
    '{"pipeline_id":1}',
    '{"pipeline_id":2}',
  ]);
});

test("ES-275 a delivery is a debug line when it starts and an info line when it is done", async () => {
  const made = await setUp({ urgency: "high", work: (clock) => clock.sleep(250) });
  const event = await withContext(
    { correlationId: "C1", causationId: "E0", rootCaller: "web", meta: { project: "box" } },
    () => made.publish({ pipeline_id: 7 }),
  );
  await made.advanceBy(1_500);
  await made.start();
  await made.advanceBy(1_000);
  const common = {
    event_id: event.id,
    event_type: "ci.pipeline_created",
    event_data: '{"pipeline_id":7}',
    subscription: "ci.worker/ci.pipeline_created",
    delivery_id: `${event.id}.ci.worker/ci.pipeline_created`,
    attempt: 1,
    urgency: "high",
    correlation_id: "C1",
    causation_id: "E0",
    root_caller: "web",
    "meta.project": "box",
    scheduling_latency_s: 1.5,
  };
  expect(made.lines("delivery started")).toMatchObject([{ ...common, level: "debug", job_status: "start" }]);
  expect(made.lines("delivery done")).toMatchObject([
    { ...common, level: "info", job_status: "done", duration_s: 0.25 },
  ]);
});

test("ES-275 a failed attempt is a warning, the last one an error", async () => {
  class Broken extends Error {
    override readonly name = "Broken";
    readonly code = "PIPELINE_BROKEN";
  }
  const made = await setUp({
    maxAttempts: 2,
    work: async (clock) => {
      await clock.sleep(100);
      throw new Broken("no such pipeline");
    },
  });
  await made.start();
  const event = await made.publish({ pipeline_id: 7 });
  await made.advanceBy(10_000);
  expect(made.lines("delivery failed")).toMatchObject([
    {
      level: "warn",
      job_status: "fail",
      attempt: 1,
      settlement: "retried",
      event_id: event.id,
      subscription: "ci.worker/ci.pipeline_created",
      duration_s: 0.1,
      error_class: "Broken",
      error_code: "PIPELINE_BROKEN",
      error_message: "no such pipeline",
      error: { class: "Broken", stack: expect.stringContaining("Broken: no such pipeline") },
    },
    { level: "error", job_status: "fail", attempt: 2, settlement: "dead", reason: "exhausted" },
  ]);
});

test("ES-171 a discarded failure is a warning", async () => {
  const made = await setUp({ decide: () => "discard", work: async () => expect.fail("no") });
  await made.start();
  await made.publish({});
  await made.runUntilIdle();
  expect(made.lines("delivery failed")).toMatchObject([{ level: "warn", settlement: "discarded" }]);
});

test("ES-171 deliveries that are put off while an engine is away are one line when it begins and one a minute, not one each", async () => {
  let away = true;
  const made = await setUp({
    decide: () => ({ delayMs: 1_000, counted: false }),
    work: async () => {
      if (away) throw new Error("the engine is away");
    },
  });
  await made.start();
  for (let pipeline_id = 0; pipeline_id < 20; pipeline_id++) await made.publish({ pipeline_id });
  await made.advanceBy(90_000);
  const putOff = made.lines("deliveries are put off, without being counted");
  expect(putOff).toMatchObject([
    { level: "warn", subscription: "ci.worker/ci.pipeline_created", failures: 1, error: { class: "Error" } },
    { level: "warn", subscription: "ci.worker/ci.pipeline_created" },
  ]);
  expect(putOff[1]?.["failures"]).toBeGreaterThan(1_000);
  expect(made.lines("delivery failed")).toEqual([]);
  away = false;
  await made.advanceBy(2_000);
  expect(made.lines("delivery done")).toHaveLength(20);
});

test("ES-275 messages are constant: data stands in the fields alone", async () => {
  const made = await setUp({ work: async () => expect.fail("hunter2") });
  await made.start();
  await made.publish({ text: "hunter2" });
  await made.runUntilIdle();
  for (const { msg } of made.lines()) expect(msg).not.toContain("hunter2");
});

test("ES-275 event_data is cut at 1,024 bytes, between characters", async () => {
  const made = await setUp({ subscribers: {} });
  for (const text of ["x".repeat(5_000), "ü".repeat(5_000), "€".repeat(5_000), "😀".repeat(5_000)]) {
    await made.publish({ text });
    const written = String(made.lines().at(-1)?.["event_data"]);
    const bytes = Buffer.byteLength(written);
    expect(bytes).toBeLessThanOrEqual(1_024);
    expect(bytes).toBeGreaterThan(1_020);
    expect(JSON.stringify({ text })).toContain(written.slice(0, -1));
    expect(written).not.toContain("\ufffd");
  }
});

test("ES-275 data of exactly 1,024 bytes is whole", async () => {
  const made = await setUp({ subscribers: {} });
  const text = "x".repeat(1_024 - JSON.stringify({ text: "" }).length);
  await made.publish({ text });
  expect(made.lines().at(-1)?.["event_data"]).toBe(JSON.stringify({ text }));
});

test("ES-275 with logData: false no line has data", async () => {
  const made = await setUp({ options: { logData: false }, work: async () => expect.fail("no") });
  await made.start();
  await made.publish({ text: "hunter2" });
  await made.runUntilIdle();
  expect(made.lines().length).toBeGreaterThan(2);
  for (const line of made.lines()) expect(line).not.toHaveProperty("event_data");
});

// What is not said

const modes: [LogMode, LogMode, "all" | "failures" | "nothing"][] = [
  ["all", "all", "all"],
  ["failures", "all", "failures"],
  ["off", "all", "nothing"],
  ["all", "failures", "failures"],
  ["failures", "failures", "failures"],
  ["off", "failures", "nothing"],
  ["all", "off", "nothing"],
  ["failures", "off", "nothing"],
  ["off", "off", "nothing"],
];

describe.each(modes)("ES-277 a definition with log: %s in a store with log: %s", (own, bound, expected) => {
  test(`writes ${expected} about its events`, async () => {
    const made = await setUp({
      log: own,
      options: { log: bound, errors: { condition: "report" } },
      maxAttempts: 1,
      subscribers: { "ci.worker": { if: ({ data }) => data.text !== "bad" || expect.fail("on purpose") } },
      work: async () => made.failing && expect.fail("on purpose"),
    });
    await made.start();
    await made.publish({ text: "good" });
    await made.runUntilIdle();
    const written = { about: made.messages(), records: made.records() };
    made.clear();
    await made.publish({ text: "bad" });
    made.failing = true;
    await made.publish({ text: "good" });
    await made.runUntilIdle();
    const aboutFailures = { about: made.messages(), records: made.records() };

    const success = ["event published", "delivery started", "delivery done"];
    expect(written).toEqual(
      expected === "all" ? { about: success, records: ["dispatched", "done"] } : { about: [], records: [] },
    );
    expect(aboutFailures).toEqual(
      {
        all: {
          about: ["event published", "event published", "delivery started", "delivery failed"],
          records: ["condition_error", "dispatched", "dead"],
        },
        failures: { about: ["event published", "delivery failed"], records: ["condition_error", "dead"] },
        nothing: { about: [], records: [] },
      }[expected],
    );
  });
});

test("ES-277 with failures a transport error is written", async () => {
  const made = await setUp({ log: "failures", subscribers: { "ci.worker": { maxPending: { count: 1 } } } });
  await made.publish({});
  expect(made.messages()).toEqual([]);
  await expect(made.publish({})).rejects.toMatchObject({ code: "EVT_TRANSPORT_FULL" });
  expect(made.lines("event published")).toMatchObject([
    { skipped: { "ci.worker/ci.pipeline_created": "transport_error" } },
  ]);
  expect(made.records()).toEqual(["transport_error"]);
});

// Redaction

test("ES-277 sensitive values are redacted in every line, whatever else is in the data", async () => {
  const made = await setUp({
    sensitive: ["/user/email", "/members/*/token"],
    maxAttempts: 1,
    work: async () => expect.fail("no"),
  });
  await made.start();
  await made.publish({
    pipeline_id: 7,
    user: { email: "hunter2", name: "ada" },
    members: [{ token: "hunter2", id: 1 }, { id: 2 }],
  });
  await made.runUntilIdle();
  const lines = made.lines();
  expect(JSON.stringify(lines)).not.toContain("hunter2");
  for (const { event_data } of lines)
    expect(JSON.parse(String(event_data))).toEqual({
      pipeline_id: 7,
      user: { email: "[redacted]", name: "ada" },
      members: [{ token: "[redacted]", id: 1 }, { id: 2 }],
    });
});

test("ES-277 redaction comes before the cut", async () => {
  const made = await setUp({ sensitive: ["/text"], subscribers: {} });
  await made.publish({ text: "hunter2".repeat(1_000) });
  expect(made.lines().at(-1)?.["event_data"]).toBe('{"text":"[redacted]"}');
});

describe("ES-277 redactData", () => {
  const data = {
    user: { email: "e", "a/b": { "c~d": "secret" } },
    list: [{ token: "t" }, [{ token: "t" }], "plain"],
    map: { "*": "star", x: "x" },
  };

  test.each<[string, string[], object]>([
    ["a member", ["/user/email"], { ...data, user: { ...data.user, email: "[redacted]" } }],
    ["a whole object", ["/user"], { ...data, user: "[redacted]" }],
    ["a name with escapes", ["/user/a~1b/c~0d"], { ...data, user: { ...data.user, "a/b": { "c~d": "[redacted]" } } }],
    ["every item", ["/list/*"], { ...data, list: ["[redacted]", "[redacted]", "[redacted]"] }],
    [
      "a member of every item that has it",
      ["/list/*/token"],
      { ...data, list: [{ token: "[redacted]" }, [{ token: "t" }], "plain"] },
    ],
    ["one item", ["/list/1"], { ...data, list: [{ token: "t" }, "[redacted]", "plain"] }],
    ["items of items", ["/list/*/*/token"], { ...data, list: [{ token: "t" }, [{ token: "[redacted]" }], "plain"] }],
    ["the member `*` of an object, not its others", ["/map/*"], { ...data, map: { "*": "[redacted]", x: "x" } }],
    [
      "several",
      ["/user/email", "/map/x"],
      { ...data, user: { ...data.user, email: "[redacted]" }, map: { "*": "star", x: "[redacted]" } },
    ],
  ])("replaces %s", (_, pointers, expected) => {
    expect(redactData(data, pointers)).toEqual(expected);
  });

  test.each([["/missing"], ["/user/email/deeper"], ["/list/9"], ["/constructor"], ["/map/toString"]])(
    "leaves data without %s as it is",
    (pointer) => {
      expect(redactData(data, [pointer])).toEqual(data);
    },
  );

  test("does not touch what it was given", () => {
    const before = structuredClone(data);
    redactData(data, ["/user/email", "/list/*/token"]);
    expect(data).toEqual(before);
  });

  test("keeps a member named __proto__ one", () => {
    const odd = JSON.parse('{"__proto__":{"a":1},"secret":"s"}');
    expect(JSON.stringify(redactData(odd, ["/secret"]))).toBe('{"__proto__":{"a":1},"secret":"[redacted]"}');
    expect(JSON.stringify(redactData(odd, ["/__proto__/a"]))).toBe('{"__proto__":{"a":"[redacted]"},"secret":"s"}');
  });
});

interface SetUp {
  readonly log?: LogMode;
  readonly sensitive?: readonly string[];
  readonly urgency?: "high" | "low";
  readonly maxAttempts?: number;
  readonly decide?: () => RetryVerdict;
  readonly subscribers?: Readonly<
    Record<
      string,
      { if?: (event: DomainEvent<Data>) => boolean; delayMs?: number; maxPending?: { readonly count: number } }
    >
  >;
  readonly work?: (clock: TestStore["clock"]) => Promise<unknown>;
  readonly options?: Partial<TestStoreOptions>;
}

async function setUp(given: SetUp) {
  const { log = "all", sensitive = [], urgency = "low", maxAttempts = 25, subscribers = { "ci.worker": {} } } = given;
  const event = defineEvent("ci.pipeline_created", { schema, log, sensitive });
  const texts: string[] = [];
  const told: (DispatchRecord | HandlingRecord)[] = [];
  const level: LogLevel = "debug";
  const made = createTestStore({
    logger: createLogger({ level, destination: { write: (text: string) => void texts.push(text) } }),
    dispatchLog: {
      dispatched: (record) => void told.push(record),
      handled: (record) => void told.push(record),
      async flush() {},
    },
    ...given.options,
    configure(registry) {
      registry.register(event);
      for (const [name, options] of Object.entries(subscribers)) {
        const subscriber = defineSubscriber<Data>(name, {
          urgency,
          retry: { maxAttempts, jitter: 0, ...(given.decide && { decide: given.decide }) },
          handle: async () => void (await given.work?.(made.clock)),
        });
        registry.subscribe(subscriber, { ...options, to: event });
      }
    },
  });
  onTestFinished(() => made.store.stop());
  const lines = (msg?: string): Record<string, unknown>[] =>
    texts.map((text) => JSON.parse(text)).filter((line) => msg === undefined || line.msg === msg);
  return {
    ...made,
    event,
    failing: false,
    lines,
    /** What was said about events, without the reports that name subscriptions only. */
    messages: () => lines().flatMap(({ msg }) => (msg === "a subscription's condition failed" ? [] : [msg])),
    records: () => told.flatMap<string>((record) => ("decisions" in record ? record.decisions : [record.settlement])),
    clear() {
      texts.length = 0;
      told.length = 0;
    },
    start: () => made.store.start(),
    async publish(data: Data) {
      const created = event.create(data);
      await made.store.publish(created);
      return created;
    },
  };
}
