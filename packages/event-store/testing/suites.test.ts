import assert from "node:assert";
import { describe, expect, it, test } from "vitest";
import { defineEvent, defineSubscriber } from "../index.js";
import {
  assertEventWithSchema,
  assertIdempotentSubscriber,
  assertIgnoresEvent,
  assertSubscribesToEvent,
  createTestStore,
  eventWithSchema,
  idempotentSubscriber,
  ignoresEvent,
  type SuiteRunner,
  subscribesToEvent,
} from "../testing.js";

const PipelineFinished = defineEvent("ci.pipeline_finished", {
  schema: {
    type: "object",
    properties: { pipeline_id: { type: "integer" }, status: { type: "string" } },
    required: ["pipeline_id", "status"],
  },
});
const JobQueued = defineEvent("ci.job_queued", { schema: { type: "object" } });

type Payload = { pipeline_id: number; status: string };

const blocked = new Set<number>();
const worker = defineSubscriber<Payload>("merge_requests.update_status", {
  handle: async ({ data }) => void blocked.add(data.pipeline_id),
});
const counts = { handled: 0 };
const counter = defineSubscriber<Payload>("statistics.count_failures", {
  handle: async () => void counts.handled++,
});
const failing = defineSubscriber<Payload>("notes.write", {
  handle: async () => {
    throw new Error("no paper");
  },
});
const unsubscribed = defineSubscriber<Payload>("notes.read", { handle: async () => {} });

const createStore = () =>
  createTestStore({
    configure: (registry) => {
      registry.register(JobQueued);
      registry.subscribe(worker, { to: PipelineFinished, delayMs: 5_000, if: ({ data }) => data.status === "failed" });
      registry.subscribe(counter, { to: PipelineFinished });
      registry.subscribe(failing, { to: PipelineFinished, retry: { maxAttempts: 2 } });
    },
  });
const failed = () => PipelineFinished.create({ pipeline_id: 1, status: "failed" });
const succeeded = () => PipelineFinished.create({ pipeline_id: 2, status: "success" });

// The suites as their users call them.
const runner = { describe, it };
subscribesToEvent({ store: createStore, subscriber: worker, event: failed, runner });
ignoresEvent({ store: createStore, subscriber: worker, event: succeeded, runner });
ignoresEvent({ store: createStore, subscriber: unsubscribed, event: failed, runner });
idempotentSubscriber({ subscriber: worker, event: failed, observe: () => blocked, runner });
eventWithSchema({
  definition: PipelineFinished,
  valid: { pipeline_id: 1, status: "failed" },
  missingRequired: ["pipeline_id", "status"],
  invalidTypes: [{ pipeline_id: "1", status: 2 }, { pipeline_id: 1.5 }],
  runner,
});

describe("subscribesToEvent", () => {
  test("ES-320 passes when the handler gets an instance of the definition through the store", async () => {
    blocked.clear();
    await assertSubscribesToEvent({ store: createStore(), subscriber: worker, event: failed() });
    expect([...blocked]).toEqual([1]);
  });

  test("ES-320 fails when the subscription is missing, its condition is false, or the handler fails", async () => {
    const subscribed = (subscriber: typeof worker, event = failed()) =>
      assertSubscribesToEvent({ store: createStore(), subscriber, event });
    await expect(subscribed(unsubscribed)).rejects.toThrow("notes.read is not subscribed to ci.pipeline_finished");
    await expect(subscribed(worker, succeeded())).rejects.toThrow("the decision was condition_false");
    await expect(subscribed(failing)).rejects.toThrow(
      "notes.write failed to handle ci.pipeline_finished: Error: no paper",
    );
  });

  test("ES-320 fails when handling twice is not what handling once is", async () => {
    let runs = 0;
    const once = defineSubscriber<Payload>("notes.once", {
      handle: async () => {
        if (++runs > 2) throw new Error("again?");
      },
    });
    const store = createTestStore({ configure: (registry) => registry.subscribe(once, { to: PipelineFinished }) });
    await expect(assertSubscribesToEvent({ store, subscriber: once, event: failed() })).rejects.toThrow(
      "The second run of notes.once failed: Error: again?",
    );
  });
});

describe("ignoresEvent", () => {
  test("ES-321 passes for a false condition and without a subscription", async () => {
    await assertIgnoresEvent({ store: createStore(), subscriber: worker, event: succeeded() });
    await assertIgnoresEvent({ store: createStore(), subscriber: unsubscribed, event: failed() });
    await assertIgnoresEvent({ store: createStore(), subscriber: counter, event: JobQueued.create({}) as never });
  });

  test("ES-321 fails when the handler is called", async () => {
    await expect(assertIgnoresEvent({ store: createStore(), subscriber: worker, event: failed() })).rejects.toThrow(
      "merge_requests.update_status was expected to ignore ci.pipeline_finished, but the decision was scheduled",
    );
  });
});

describe("idempotentSubscriber", () => {
  test("ES-322 fails when a run throws or the second one changes the state", async () => {
    await assertIdempotentSubscriber({ subscriber: worker, event: failed(), observe: () => blocked });
    await assertIdempotentSubscriber({ subscriber: counter, event: failed() });
    await expect(
      assertIdempotentSubscriber({ subscriber: counter, event: failed(), observe: () => counts }),
    ).rejects.toThrow("The second run of statistics.count_failures changed the state");
    await expect(assertIdempotentSubscriber({ subscriber: failing, event: failed() })).rejects.toThrow(
      "The first run of notes.write failed: Error: no paper",
    );
    const doubtful = { ...worker, idempotent: false as true };
    await expect(assertIdempotentSubscriber({ subscriber: doubtful, event: failed() })).rejects.toThrow(
      "merge_requests.update_status does not say that it is idempotent",
    );
  });
});

describe("eventWithSchema", () => {
  const valid = { pipeline_id: 1, status: "failed" };

  test("ES-323 passes when valid data is taken, and each omission and each wrong value is refused", async () => {
    await assertEventWithSchema({
      definition: PipelineFinished,
      valid,
      missingRequired: ["pipeline_id", "status"],
      invalidTypes: { pipeline_id: "1", status: null },
    });
  });

  test("ES-323 fails for anything else", async () => {
    const definition = PipelineFinished;
    await expect(assertEventWithSchema({ definition, valid: { pipeline_id: 1 } as typeof valid })).rejects.toThrow(
      "ci.pipeline_finished refuses valid data",
    );
    await expect(
      assertEventWithSchema({ definition: JobQueued, valid: { id: 1 }, missingRequired: ["id"] }),
    ).rejects.toThrow("ci.job_queued takes data without id");
    await expect(assertEventWithSchema({ definition, valid, invalidTypes: { status: "any text" } })).rejects.toThrow(
      'ci.pipeline_finished takes status: "any text"',
    );
    await expect(assertEventWithSchema({ definition, valid, invalidTypes: { status: new Date(0) } })).rejects.toThrow(
      "EVT_DATA_NOT_JSON",
    );
  });
});

describe("shared suites", () => {
  /** Runs what a suite declares, as a test runner would. */
  async function run(declare: (runner: SuiteRunner) => void): Promise<Record<string, string>> {
    const results: Record<string, string> = {};
    const bodies: [string, () => Promise<void>][] = [];
    let suite = "";
    declare({
      describe(name, body) {
        suite = name;
        body();
      },
      it: (name, body) => bodies.push([`${suite}: ${name}`, body]),
    });
    for (const [name, body] of bodies) {
      await body().then(
        () => Object.assign(results, { [name]: "passed" }),
        (error: unknown) =>
          Object.assign(results, { [name]: error instanceof assert.AssertionError ? "failed" : "broke" }),
      );
    }
    return results;
  }

  test("ES-320 ES-321 ES-322 ES-323 a suite declares its tests with the runner that it is given, and they can fail", async () => {
    expect(
      await run((given) =>
        subscribesToEvent({ store: createStore, subscriber: unsubscribed, event: failed, runner: given }),
      ),
    ).toEqual({
      "notes.read subscribes to the event: handles the event when it is published": "failed",
      "notes.read subscribes to the event: handles the event twice with one result": "passed",
    });
    expect(
      await run((given) => ignoresEvent({ store: createStore, subscriber: worker, event: failed, runner: given })),
    ).toEqual({
      "merge_requests.update_status ignores the event: is not called when the event is published": "failed",
    });
    expect(
      await run((given) =>
        idempotentSubscriber({ subscriber: counter, event: failed, observe: () => counts, runner: given }),
      ),
    ).toEqual({ "statistics.count_failures is idempotent: handles the event twice with one result": "failed" });
    expect(
      await run((given) =>
        eventWithSchema({ definition: JobQueued, valid: { id: 1 }, missingRequired: ["id"], runner: given }),
      ),
    ).toEqual({
      "the schema of ci.job_queued: takes valid data": "passed",
      "the schema of ci.job_queued: refuses data without id": "failed",
    });
  });

  test("ES-320 without a runner and without globals a suite says what it needs", () => {
    expect(() => ignoresEvent({ store: createStore, subscriber: worker, event: succeeded })).toThrow(
      "pass `runner: { describe, it }`",
    );
  });
});
