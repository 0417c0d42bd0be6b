import { expect, test } from "vitest";
import { defineSubscriber } from "./define-subscriber.js";
import { EventStoreError, InvalidSubscriber, NotImplemented } from "./errors.js";

const handle = async (): Promise<void> => {};
const handleBatch = async (): Promise<void> => {};

test("ES-076 a subscriber has its name, the context of its name, and says that it is idempotent", () => {
  const subscriber = defineSubscriber("merge_requests.update_head_pipeline", { handle });
  expect(subscriber).toMatchObject({
    name: "merge_requests.update_head_pipeline",
    context: "merge_requests",
    idempotent: true,
  });
});

test.each(["", "worker", "Merge.update", "merge..update", "merge.update-head", "a.b.c.d", `a.${"b".repeat(119)}`])(
  "ES-076 %j is refused as a name",
  (name) => {
    const error = failure(() => defineSubscriber(name, { handle }));
    expect(error).toBeInstanceOf(InvalidSubscriber);
    expect(error).toMatchObject({ code: "EVT_SUBSCRIPTION_INVALID", details: { option: "name" } });
  },
);

test("ES-076 without handle and handleBatch it is not implemented", () => {
  const error = failure(() => defineSubscriber("ci.worker", {}));
  expect(error).toBeInstanceOf(NotImplemented);
  expect(error).not.toBeInstanceOf(InvalidSubscriber);
  expect(error.code).toBe("EVT_NOT_IMPLEMENTED");
});

test("ES-076 with both it is refused", () => {
  const error = failure(() => defineSubscriber("ci.worker", { handle, handleBatch }));
  expect(error).toBeInstanceOf(InvalidSubscriber);
  expect(error).toMatchObject({ code: "EVT_SUBSCRIPTION_INVALID", details: { option: "handleBatch" } });
});

test("ES-073 a subscriber and its options are frozen and apart from the caller's", () => {
  const options = { handle, timeoutMs: 1_000, retry: { maxAttempts: 3 } };
  const subscriber = defineSubscriber("ci.worker", options);
  options.timeoutMs = 5;
  options.retry.maxAttempts = 5;
  expect(subscriber.options).toMatchObject({ timeoutMs: 1_000, retry: { maxAttempts: 3 } });
  for (const part of [subscriber, subscriber.options, subscriber.options.retry])
    expect(Object.isFrozen(part)).toBe(true);
});

test.each<[string, object]>([
  ["handle", { handle: "work" }],
  ["perform", { handle, perform: handle }],
  ["timeoutMs", { handle, timeoutMs: 0 }],
  ["batch", { handle, batch: { maxSize: 10 } }],
  ["batch.maxSize", { handleBatch, batch: { maxSize: 0 } }],
  ["batch.maxSize", { handleBatch, batch: { maxSize: 1_001 } }],
  ["batch.maxWaitMs", { handleBatch, batch: { maxWaitMs: -1 } }],
  ["batch.maxBytes", { handleBatch, batch: { maxBytes: 0 } }],
  ["batch.size", { handleBatch, batch: { size: 10 } }],
])("ES-074 a subscriber refuses a bad %s by name: %j", (option, options) => {
  expect(failure(() => defineSubscriber("ci.worker", options))).toMatchObject({
    code: "EVT_SUBSCRIPTION_INVALID",
    details: { option },
  });
});

test("ES-004 a misspelt option is told with the nearest known one", () => {
  // @ts-expect-error a misspelt option
  const error = failure(() => defineSubscriber("ci.worker", { handle, timeoutMS: 5 }));
  expect(error.message).toBe("Unknown option `timeoutMS`; did you mean `timeoutMs`?");
});

function failure(work: () => unknown): EventStoreError {
  try {
    work();
  } catch (error) {
    if (error instanceof EventStoreError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
