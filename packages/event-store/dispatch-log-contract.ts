import assert from "node:assert/strict";
import { ulid } from "@signalbox/kernel";
import type { DispatchHistory, DispatchLog, DispatchRecord, HandlingRecord } from "./dispatch-log.js";
import type { TestRunner } from "./transports/contract.js";

export interface DispatchLogContractOptions {
  readonly name: string;
  /** A log that can be read back, on an empty store. */
  create(): Promise<{ readonly log: DispatchLog; destroy(): Promise<void> }>;
  readonly runner: TestRunner;
}

// A store may forget what is old, so nothing here is.
const nowMs = Math.floor(Date.now() / 1_000) * 1_000;

/** Every promise of the `DispatchLog` port, as tests. An adapter's test file calls it first. */
export function describeDispatchLog({ name, create, runner }: DispatchLogContractOptions): void {
  const { describe, test, afterAll } = runner;

  describe(`ES-282 ${name} keeps the promises of the dispatch log port`, () => {
    let shared: ReturnType<DispatchLogContractOptions["create"]> | undefined;
    const subject = async (): Promise<{ readonly log: DispatchLog; readonly history: DispatchHistory }> => {
      shared ??= create();
      const { log } = await shared;
      assert.ok(log.history, "the log can be read back");
      return { log, history: log.history };
    };
    afterAll(async () => {
      await (await shared)?.destroy();
    });

    test("what was logged is read back as it was, at once and after it was written", async () => {
      const { log, history } = await subject();
      const dispatch = aDispatch({
        subscriptions: ["ci.worker/ci.made", "ci.other/ci.made"],
        decisions: ["scheduled", "condition_false"],
        conditionUs: [12.5, 0.25],
        dueAtMs: [nowMs + 123, 0],
        deliveryIds: ["one.ci.worker/ci.made", ""],
      });
      const { eventId } = dispatch;
      const done = anAttempt({ eventId, startedAtMs: nowMs });
      const failed = anAttempt({
        eventId,
        attempt: 2,
        settlement: "dead",
        startedAtMs: nowMs + 1_000,
        errorClass: "RangeError",
        errorCode: "E_RANGE",
        errorMessage: "too far ↯",
      });
      log.dispatched(dispatch);
      log.handled(done);
      log.handled(failed);
      assert.deepEqual(await history.find([eventId]), { dispatches: [dispatch], attempts: [done, failed] });
      await log.flush();
      assert.deepEqual(await history.find([eventId]), { dispatches: [dispatch], attempts: [done, failed] });
    });

    test("attempts come oldest first, also when some are written and some are not", async () => {
      const { log, history } = await subject();
      const { eventId } = aDispatch({});
      log.handled(anAttempt({ eventId, attempt: 1, startedAtMs: nowMs }));
      await log.flush();
      log.handled(anAttempt({ eventId, attempt: 2, startedAtMs: nowMs + 500 }));
      const { attempts } = await history.find([eventId]);
      assert.deepEqual(
        attempts.map(({ attempt }) => attempt),
        [1, 2],
      );
    });

    test("events that are not known are no error", async () => {
      const { history } = await subject();
      assert.deepEqual(await history.find([]), { dispatches: [], attempts: [] });
      assert.deepEqual(await history.find([ulid(), "it's \\ not \" known"]), { dispatches: [], attempts: [] });
      assert.deepEqual(await history.causedBy([ulid()], 10), []);
      assert.deepEqual(await history.causedBy([], 10), []);
    });

    test("what an event caused is found, oldest first and up to the limit", async () => {
      const { log, history } = await subject();
      const [first, second] = [ulid(), ulid()];
      const caused = [first, second, first].map((causationId, index) =>
        aDispatch({ causationId, publishedAtMs: nowMs + index }),
      );
      log.dispatched(aDispatch({ causationId: null }));
      for (const [index, record] of caused.entries()) {
        log.dispatched(record);
        if (index === 1) await log.flush();
      }
      assert.deepEqual(await history.causedBy([first, second], 10), caused);
      assert.deepEqual(await history.causedBy([first], 10), [caused[0], caused[2]]);
      assert.deepEqual(await history.causedBy([first, second], 2), caused.slice(0, 2));
    });

    test("flushing may be repeated, with nothing to write too", async () => {
      const { log } = await subject();
      await Promise.all([log.flush(), log.flush()]);
      await log.flush();
    });
  });
}

function aDispatch(changes: Partial<DispatchRecord>): DispatchRecord {
  const eventId = ulid();
  return {
    eventId,
    eventType: "ci.made",
    subject: eventId,
    correlationId: ulid(),
    causationId: null,
    rootCaller: "POST /pipelines",
    publishedAtMs: nowMs,
    subscriptions: [""],
    decisions: ["no_subscribers"],
    conditionUs: [0],
    dueAtMs: [0],
    deliveryIds: [""],
    ...changes,
  };
}

function anAttempt(changes: Partial<HandlingRecord>): HandlingRecord {
  const startedAtMs = changes.startedAtMs ?? nowMs;
  return {
    eventId: ulid(),
    eventType: "ci.made",
    subscription: "ci.worker/ci.made",
    deliveryId: "one.ci.worker/ci.made",
    correlationId: ulid(),
    attempt: 1,
    settlement: "done",
    startedAtMs,
    finishedAtMs: startedAtMs + 25,
    schedulingLatencyMs: 3,
    durationMs: 25,
    errorClass: null,
    errorCode: null,
    errorMessage: null,
    ignored: false,
    ...changes,
  };
}
