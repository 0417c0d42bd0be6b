import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber, type SubscriberOptions } from "./define-subscriber.js";
import { fingerprintOf, recordError } from "./error-record.js";
import { createMemoryRecords } from "./records/memory.js";
import type { DeadLetterFilter, NewDeadLetter } from "./records/records.js";
import { createTestStore, type TestStore } from "./test-store.js";

const JobFinished = defineEvent("ci.job_finished", {
  schema: { type: "object", properties: { job_id: { type: "integer" }, secret: { type: "string" } } },
});
type Job = { job_id?: number; secret?: string };

// Letters

test("ES-250 a letter holds the event, the failures and where it belongs", async () => {
  const made = setUp({
    retry: { maxAttempts: 3, baseMs: 1_000, jitter: 0 },
    async handle() {
      await made.clock.sleep(50);
      throw Object.assign(new RangeError("no runner 17"), { code: "NO_RUNNER" });
    },
  });
  await made.store.start();
  const startMs = made.clock.nowMs();
  const event = JobFinished.create({ job_id: 7 }, { correlationId: "C1" });
  await made.store.publish(event);
  await made.advanceBy(60_000);
  const { letters } = await made.store.dead.list();
  const error = { class: "RangeError", code: "NO_RUNNER", message: "no runner 17", stack: expect.any(String) };
  expect(letters).toEqual([
    {
      id: `${event.id}.ci.worker/ci.job_finished`,
      subscription: "ci.worker/ci.job_finished",
      eventType: "ci.job_finished",
      event: made.store.encodeEvent(event),
      reason: "exhausted",
      error,
      attempts: [
        { at: new Date(startMs).toISOString(), durationMs: 50, error },
        { at: new Date(startMs + 1_050).toISOString(), durationMs: 50, error },
        { at: new Date(startMs + 3_100).toISOString(), durationMs: 50, error },
      ],
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
      correlationId: "C1",
      firstFailedAtMs: startMs + 50,
      deadAtMs: startMs + 3_150,
      replayCount: 0,
      lastReplayedAtMs: null,
      state: "dead",
      note: null,
    },
  ]);
  expect(await made.store.dead.get(letters[0]?.id ?? "")).toEqual(letters[0]);
});

test("ES-250 the letter is written before the delivery is settled, and once however often that is repeated", async () => {
  const made = setUp({ retry: { maxAttempts: 1 }, handle: async () => expect.fail("no") });
  const settle = made.transport.settle.bind(made.transport);
  const lettersAtSettle: number[] = [];
  made.transport.settle = async (items) => {
    lettersAtSettle.push((await made.store.dead.list()).letters.length);
    if (lettersAtSettle.length < 3) throw new Error("engine away");
    return settle(items);
  };
  await made.store.start();
  await made.store.publish(JobFinished.create({}));
  await made.advanceBy(60_000);
  expect(lettersAtSettle).toEqual([1, 1, 1]);
  expect((await made.store.dead.list()).letters).toHaveLength(1);
  expect(await made.transport.depth("ci.worker")).toMatchObject({ ready: 0, running: 0, scheduled: 0 });
});

test("ES-250 each subscription has its own letter of an event", async () => {
  const made = createTestStore({
    configure(registry) {
      for (const name of ["a.one", "b.two"])
        registry.subscribe(
          defineSubscriber<Job>(name, { retry: { maxAttempts: 1 }, handle: async () => expect.fail("no") }),
          { to: JobFinished },
        );
    },
  });
  onTestFinished(() => made.store.stop());
  await made.store.start();
  const event = JobFinished.create({});
  await made.store.publish(event);
  await made.runUntilIdle();
  expect((await made.store.dead.list()).letters.map(({ id }) => id).sort()).toEqual([
    `${event.id}.a.one/ci.job_finished`,
    `${event.id}.b.two/ci.job_finished`,
  ]);
});

test("ES-173 a stack is kept up to 8 KiB, the last ten attempts are kept", async () => {
  const made = setUp({
    retry: { maxAttempts: 12, baseMs: 1, maxMs: 1 },
    async handle(_, { attempt }) {
      const error = new Error(`attempt ${attempt}`);
      error.stack = `Error: attempt ${attempt}\n${"    at ü (/app/deep.ts:1:1)\n".repeat(1_000)}`;
      throw error;
    },
  });
  await made.store.start();
  await made.store.publish(JobFinished.create({}));
  await made.advanceBy(60_000);
  const [letter] = (await made.store.dead.list()).letters;
  expect(letter?.attempts).toHaveLength(10);
  expect(letter?.attempts.map(({ error }) => error.message)).toEqual(
    Array.from({ length: 10 }, (_, index) => `attempt ${index + 3}`),
  );
  for (const { error } of letter?.attempts ?? []) {
    expect(Buffer.byteLength(error.stack ?? "")).toBeLessThanOrEqual(8_192);
    expect(Buffer.byteLength(error.stack ?? "")).toBeGreaterThan(8_000);
    expect(error.stack).not.toContain("\ufffd");
  }
});

test.each<[string, unknown, object]>([
  ["an error", new TypeError("no"), { class: "TypeError", code: null, message: "no" }],
  ["a text", "no", { class: "string", code: null, message: "no", stack: null }],
  ["nothing", undefined, { class: "undefined", code: null, message: "undefined", stack: null }],
  ["a number", 5, { class: "number", message: "5" }],
  ["an object with a code", { code: "X", message: "m" }, { class: "object", code: "X" }],
  ["an error whose code is no text", Object.assign(new Error("no"), { code: 5 }), { code: null }],
  ["text with NUL", new Error("a\0b"), { message: "ab" }],
])("ES-250 what was thrown is recorded as it is: %s", (_, thrown, record) => {
  expect(recordError(thrown)).toMatchObject(record);
});

// Fingerprints

describe("ES-252 a fingerprint", () => {
  const subscription = "ci.worker/ci.job_finished";
  const of = (message: string, stack: string | null = null): string =>
    fingerprintOf(subscription, { class: "Error", code: null, message, stack });

  test("has 16 hex digits", () => {
    expect(of("no")).toMatch(/^[0-9a-f]{16}$/);
  });

  test.each([
    ["numbers", "job 7 took 12.5 s", "job 123456 took 0.25 s"],
    ["decimals of different lengths", "took 1234567.25 s", "took 1.5 s"],
    ["numbers of different lengths", "1234567 bytes", "123456789012 bytes"],
    ["short commit ids", "commit a1b2c3d4 not found", "commit ffee0011 not found"],
    ["a commit id that happens to be a number", "commit a1b2c3d not found", "commit 1234567 not found"],
    [
      "commit ids",
      "commit da39a3ee5e6b4b0d3255bfef95601890afd80709 not found",
      "commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12 not found",
    ],
    ["addresses in memory", "fault at 0x7ffe12ab", "fault at 0xdeadbeef"],
    ["UUIDs", "run 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 is gone", "run 00000000-0000-4000-8000-000000000000 is gone"],
    ["ULIDs", "event 01M7YFF3F92XPXSQY0TXGG9WBP is lost", "event 01M7YFF3F92XPXSQY0TXGG9WBQ is lost"],
    ["ULIDs in lower case", "event 01m7yff3f92xpxsqy0txgg9wbp is lost", "event 01m7yff3f92xpxsqy0txgg9wbq is lost"],
    ['text in "quotes"', 'no branch "main"', 'no branch "dev, or none"'],
    ["text in 'quotes'", "no branch 'main'", "no branch 'x'"],
    ["text in `quotes`", "no branch `main`", "no branch ``"],
  ])("is the same for messages that differ in %s", (_, one, other) => {
    expect(of(one)).toBe(of(other));
  });

  test.each([
    ["words", "no runner", "no pipeline"],
    ["words like hex digits", "the facade is gone", "the decade is gone"],
    ["a quoted text or none", 'no branch "main"', "no branch"],
  ])("differs for messages that differ in %s", (_, one, other) => {
    expect(of(one)).not.toBe(of(other));
  });

  test("differs by subscription, class and code", () => {
    const error = { class: "Error", code: "A", message: "no", stack: null };
    const all = [
      fingerprintOf(subscription, error),
      fingerprintOf("ci.other/ci.job_finished", error),
      fingerprintOf(subscription, { ...error, class: "TypeError" }),
      fingerprintOf(subscription, { ...error, code: "B" }),
      fingerprintOf(subscription, { ...error, code: null }),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  const frames = (...lines: string[]): string => ["Error: no", ...lines.map((line) => `    at ${line}`)].join("\n");

  test("is the same when lines have moved, and differs by function and file of the top three frames", () => {
    const base = frames("f (/app/a.ts:1:2)", "g (/app/b.ts:3:4)", "h (/app/c.ts:5:6)", "i (/app/d.ts:7:8)");
    const moved = frames("f (/app/a.ts:10:20)", "g (/app/b.ts:30:4)", "h (/app/c.ts:5:60)", "i (/app/d.ts:7:8)");
    const otherBelow = frames("f (/app/a.ts:1:2)", "g (/app/b.ts:3:4)", "h (/app/c.ts:5:6)", "j (/app/e.ts:7:8)");
    const otherFunction = frames("x (/app/a.ts:1:2)", "g (/app/b.ts:3:4)", "h (/app/c.ts:5:6)");
    const otherFile = frames("f (/app/z.ts:1:2)", "g (/app/b.ts:3:4)", "h (/app/c.ts:5:6)");
    expect(of("no", moved)).toBe(of("no", base));
    expect(of("no", otherBelow)).toBe(of("no", base));
    expect(of("no", otherFunction)).not.toBe(of("no", base));
    expect(of("no", otherFile)).not.toBe(of("no", base));
  });

  test("leaves out frames of Node and of dependencies", () => {
    const own = frames("f (/app/a.ts:1:2)", "g (file:///app/b.ts:3:4)");
    const between = frames(
      "pg (/app/node_modules/pg/index.js:1:1)",
      "f (/app/a.ts:1:2)",
      "process.task (node:internal/process/task_queues:95:5)",
      "async g (file:///app/b.ts:3:4)",
    );
    expect(of("no", between)).not.toBe(of("no", null));
    expect(of("no", frames("x (node:fs:1:1)"))).toBe(of("no", null));
    expect(of("no", between.replace("async g", "g"))).toBe(of("no", own));
  });

  test("is made of any message", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 4_096 }), (message) => {
        expect(of(message)).toMatch(/^[0-9a-f]{16}$/);
      }),
    );
    expect(of("0".repeat(4_096))).toBe(of("1"));
    expect(of(`${"a".repeat(4_095)}g`)).toMatch(/^[0-9a-f]{16}$/);
  });

  test("groups equal failures of a handler, and tells others apart", async () => {
    const made = setUp({
      retry: { maxAttempts: 1 },
      async handle({ data }) {
        if ((data.job_id ?? 0) % 2 === 0) throw new Error(`job ${data.job_id} is even`);
        throw new Error(`job ${data.job_id} is odd`);
      },
    });
    await made.store.start();
    for (let job_id = 0; job_id < 6; job_id++) await made.store.publish(JobFinished.create({ job_id }));
    await made.runUntilIdle();
    const { letters } = await made.store.dead.list();
    const groups = new Map<string, number>();
    for (const { fingerprint } of letters) groups.set(fingerprint, (groups.get(fingerprint) ?? 0) + 1);
    expect([...groups.values()]).toEqual([3, 3]);
  });
});

// States

describe("ES-253 the states of a letter", () => {
  test("dead → replaying → resolved", async () => {
    const { deadLetters } = createMemoryRecords();
    await deadLetters.write([letter("L1")]);
    expect(await deadLetters.beginReplay("L1", 5)).toBe(true);
    expect(await deadLetters.get("L1")).toMatchObject({ state: "replaying", replayCount: 1, lastReplayedAtMs: 5 });
    await deadLetters.resolve(["L1"]);
    expect(await deadLetters.get("L1")).toMatchObject({ state: "resolved", replayCount: 1 });
  });

  test("replaying → dead again, with the new error and the count kept", async () => {
    const { deadLetters } = createMemoryRecords();
    await deadLetters.write([letter("L1")]);
    await deadLetters.beginReplay("L1", 5);
    await deadLetters.write([{ ...letter("L1"), reason: "refused" }]);
    expect(await deadLetters.get("L1")).toMatchObject({ state: "dead", reason: "refused", replayCount: 1 });
    await deadLetters.beginReplay("L1", 6);
    await deadLetters.returnToDead(["L1"]);
    expect(await deadLetters.get("L1")).toMatchObject({ state: "dead", reason: "refused", replayCount: 2 });
  });

  test("of concurrent replays one wins", async () => {
    const { deadLetters } = createMemoryRecords();
    await deadLetters.write([letter("L1")]);
    const begun = await Promise.all([1, 2, 3].map((nowMs) => deadLetters.beginReplay("L1", nowMs)));
    expect(begun.filter(Boolean)).toHaveLength(1);
  });

  test("no other transition happens", async () => {
    const { deadLetters } = createMemoryRecords();
    await deadLetters.write([letter("dead"), letter("resolved")]);
    await deadLetters.beginReplay("resolved", 1);
    await deadLetters.resolve(["resolved", "dead", "nobody"]);
    await deadLetters.returnToDead(["resolved", "dead", "nobody"]);
    expect(await deadLetters.beginReplay("resolved", 1)).toBe(false);
    expect(await deadLetters.beginReplay("nobody", 1)).toBe(false);
    await deadLetters.write([
      { ...letter("dead"), reason: "refused" },
      { ...letter("resolved"), reason: "refused" },
    ]);
    expect(await deadLetters.get("dead")).toMatchObject({ state: "dead", reason: "exhausted" });
    expect(await deadLetters.get("resolved")).toMatchObject({ state: "resolved", reason: "exhausted" });
    expect(await deadLetters.get("nobody")).toBeNull();
  });
});

// Lists

describe("ES-254 dead.list", () => {
  test.each<[string, DeadLetterFilter, string[]]>([
    ["nothing", {}, ["L3", "L2", "L1"]],
    ["subscription", { subscription: "a.one/ci.job_finished" }, ["L1"]],
    ["event type", { eventType: "ci.job_started" }, ["L3"]],
    ["reason", { reason: "refused" }, ["L2"]],
    ["state", { state: "replaying" }, ["L3"]],
    ["fingerprint", { fingerprint: "f2" }, ["L2"]],
    ["correlation id", { correlationId: "C1" }, ["L1"]],
    ["time", { sinceMs: 200, untilMs: 300 }, ["L2"]],
    ["text in the message", { text: "runner" }, ["L2", "L1"]],
    ["ids", { ids: ["L3", "L1", "nobody"] }, ["L3", "L1"]],
    ["several at once", { text: "runner", reason: "refused" }, ["L2"]],
    ["what nobody has", { subscription: "a.one" }, []],
  ])("filters by %s, newest first", async (_, filter, expected) => {
    const { deadLetters } = createMemoryRecords();
    await deadLetters.write([
      { ...letter("L1", 100), subscription: "a.one/ci.job_finished", correlationId: "C1" },
      { ...letter("L2", 200), reason: "refused", fingerprint: "f2" },
      { ...letter("L3", 300), eventType: "ci.job_started", error: { ...letter("L3").error, message: "other" } },
    ]);
    await deadLetters.beginReplay("L3", 5);
    expect((await deadLetters.list(filter, 10)).map(({ id }) => id)).toEqual(expected);
  });

  test("pages without gaps and repetitions, also where letters died at the same time", async () => {
    const made = setUp({ retry: { maxAttempts: 1 }, handle: async () => expect.fail("no") });
    await made.store.start();
    for (let job_id = 0; job_id < 45; job_id++) await made.store.publish(JobFinished.create({ job_id }));
    await made.runUntilIdle();
    const ids: string[] = [];
    const sizes: number[] = [];
    let page = await made.store.dead.list();
    for (;;) {
      sizes.push(page.letters.length);
      ids.push(...page.letters.map(({ id }) => id));
      if (!page.next) break;
      page = await made.store.dead.list({}, { after: page.next });
    }
    expect(sizes).toEqual([20, 20, 5]);
    expect(new Set(ids).size).toBe(45);
  });

  test.each<[string, object, object]>([
    ["subscriber", { subscriber: "ci.worker" }, {}],
    ["limit", {}, { limit: 0 }],
    ["limit", {}, { limit: 1_001 }],
    ["limit", {}, { limit: 1.5 }],
  ])("refuses a bad %s by name", async (key, filter, page) => {
    const made = setUp({ handle: async () => {} });
    await expect(made.store.dead.list(filter, page)).rejects.toMatchObject({
      code: "EVT_FILTER_INVALID",
      details: { key },
    });
  });
});

function letter(id: string, deadAtMs = 1): NewDeadLetter {
  return {
    id,
    subscription: "ci.worker/ci.job_finished",
    eventType: "ci.job_finished",
    event: "{}",
    reason: "exhausted",
    error: { class: "Error", code: null, message: "no runner", stack: null },
    attempts: [],
    fingerprint: "f1",
    correlationId: "C0",
    firstFailedAtMs: deadAtMs,
    deadAtMs,
  };
}

function setUp(options: SubscriberOptions<Job>): TestStore {
  const Worker = defineSubscriber<Job>("ci.worker", options);
  const made = createTestStore({ configure: (registry) => registry.subscribe(Worker, { to: JobFinished }) });
  onTestFinished(() => made.store.stop());
  return made;
}

test("ES-253 letters are summed up by their state and by what their envelopes hold", async () => {
  const made = setUp({ retry: { maxAttempts: 1 }, handle: async () => expect.fail("no") });
  await made.store.start();
  for (const [id, job] of [
    ["jobs:1", 7],
    ["jobs:2", 7],
    ["jobs:3", 8],
    ["others:1", 7],
  ] as const)
    await made.store.publish(JobFinished.create({ job_id: job }, { id }));
  await made.advanceBy(60_000);
  await made.store.dead.discard(["jobs:3.ci.worker/ci.job_finished"], { reason: "known" });
  const sums = await made.store.dead.tally({
    subscription: "ci.worker/ci.job_finished",
    idPrefix: "jobs:",
    places: [
      ["data", "job_id"],
      ["nothing", "here"],
    ],
  });
  expect(sums.toSorted((a, b) => b.count - a.count)).toEqual([
    { state: "dead", code: null, values: ["7", null], count: 2 },
    { state: "discarded", code: null, values: ["8", null], count: 1 },
  ]);
});

test("ES-253 letters are found by how the ids of their events begin, and replayed and discarded by it", async () => {
  const made = setUp({ retry: { maxAttempts: 1 }, handle: async () => expect.fail("no") });
  await made.store.start();
  for (const id of ["jobs_1:a", "jobs_1:b", "jobs%1:c", "jobs:1"])
    await made.store.publish(JobFinished.create({ job_id: 7 }, { id }));
  await made.advanceBy(60_000);
  const found = async () =>
    (await made.store.dead.list({ idPrefix: "jobs_1:", state: "dead" })).letters.map(({ id }) => id.slice(0, 8)).sort();
  expect(await found()).toEqual(["jobs_1:a", "jobs_1:b"]);
  expect(await made.store.dead.replay({ idPrefix: "jobs%1:" })).toMatchObject({ matched: 1, replayed: 1 });
  expect(await made.store.dead.discard({ idPrefix: "jobs_1:" }, { reason: "known" })).toEqual({ discarded: 2 });
  expect(await found()).toEqual([]);
});

describe("what letters carry can be forgotten", () => {
  const setUpLetters = async (): Promise<TestStore> => {
    const made = setUp({ retry: { maxAttempts: 1 }, handle: async () => expect.fail("said by job 7") });
    await made.store.start();
    for (const id of ["jobs:1", "jobs:2", "others:1"])
      await made.store.publish(JobFinished.create({ job_id: 7, secret: "hunter2" }, { id }));
    await made.advanceBy(60_000);
    return made;
  };
  const letterId = (id: string): string => `${id}.ci.worker/ci.job_finished`;

  test("what names a letter stays, and what is asked for of its data", async () => {
    const { store } = await setUpLetters();
    expect(await store.dead.forget({ idPrefix: "jobs:" }, { reason: "erased", keep: ["job_id"] })).toEqual({
      forgotten: 2,
    });
    const letter = await store.dead.get(letterId("jobs:1"));
    expect(letter).toMatchObject({
      state: "discarded",
      note: "erased",
      subscription: "ci.worker/ci.job_finished",
      attempts: [],
      error: { message: "", stack: null },
    });
    expect(JSON.parse(letter?.event ?? "")).toMatchObject({ id: "jobs:1", data: { job_id: 7 } });
    expect(JSON.stringify(letter)).not.toMatch(/hunter2|said by/);
    expect((await store.dead.get(letterId("others:1")))?.event).toContain("hunter2");
    // Again, there is nothing left to do.
    expect(await store.dead.forget({ idPrefix: "jobs:" }, { reason: "erased", keep: ["job_id"] })).toEqual({
      forgotten: 0,
    });
  });

  test("a letter that ended keeps its state, and one that is on its way is left alone", async () => {
    const { store } = await setUpLetters();
    await store.dead.discard([letterId("jobs:1")], { reason: "known" });
    await store.pause("ci.worker");
    await store.dead.replay([letterId("jobs:2")]);
    const ids = ["jobs:1", "jobs:2", "nobody"].map(letterId);
    expect(await store.dead.forget(ids, { reason: "erased" })).toEqual({ forgotten: 1 });
    expect(await store.dead.get(letterId("jobs:1"))).toMatchObject({ state: "discarded", note: "known" });
    expect((await store.dead.get(letterId("jobs:2")))?.event).toContain("hunter2");
  });

  test("everything is not a selection", async () => {
    const { store } = await setUpLetters();
    await expect(store.dead.forget({}, { reason: "erased" })).rejects.toMatchObject({ code: "EVT_FILTER_EMPTY" });
  });
});
