import { type Clock, createLogger, systemClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import {
  createEventStore,
  createMemoryDispatchLog,
  createMemoryTransport,
  defineEvent,
  defineSubscriber,
} from "./index.js";

const made = defineEvent("ci.made", { schema: { type: "object" } });

/** A store whose condition takes as long as it is told to. */
function setUp() {
  const lines: Record<string, unknown>[] = [];
  const time = { nowMs: 1_800_000_000_000, monotonicMs: 0, conditionMs: 0 };
  const clock: Clock = {
    nowMs: () => time.nowMs,
    monotonicMs: () => time.monotonicMs,
    setTimer: (delayMs, callback) => systemClock.setTimer(delayMs, callback),
    sleep: (delayMs, options) => systemClock.sleep(delayMs, options),
  };
  const store = createEventStore({
    transport: createMemoryTransport({ clock }),
    source: "/test",
    clock,
    dispatchLog: createMemoryDispatchLog(),
    logger: createLogger({ level: "warn", destination: { write: (text) => void lines.push(JSON.parse(text)) } }),
    configure: (registry) =>
      registry.subscribe(defineSubscriber("a.worker", { handle: async () => {} }), {
        to: made,
        if() {
          time.monotonicMs += time.conditionMs;
          return false;
        },
      }),
  });
  const publish = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) await store.publish(made.create({}));
  };
  return { lines, time, publish };
}

test("ES-286 a condition that takes more than a millisecond on average is warned of, at most once a minute", async () => {
  const { lines, time, publish } = setUp();
  time.conditionMs = 1.5;
  await publish(99);
  expect(lines).toEqual([]);
  await publish(50);
  expect(lines).toMatchObject([
    { level: "warn", msg: "a condition is too expensive", subscription: "a.worker/ci.made", mean_duration_s: 0.0015 },
  ]);
  time.nowMs += 59_999;
  await publish(10);
  expect(lines).toHaveLength(1);
  time.nowMs += 1;
  await publish(10);
  expect(lines).toHaveLength(2);
});

test("ES-286 a condition that is quick on average is not warned of", async () => {
  const { lines, time, publish } = setUp();
  time.conditionMs = 0.9;
  await publish(300);
  time.conditionMs = 20;
  await publish(1);
  expect(lines).toEqual([]);
});
