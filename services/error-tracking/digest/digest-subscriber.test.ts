import { createEventStore, createMemoryTransport } from "@signalbox/event-store";
import { createVirtualClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import type { Digest } from "./digest.js";
import { DigestError } from "./digest-errors.js";
import { configureDigest } from "./digest-subscriber.js";

const options = {
  batchEvents: 10,
  batchBytes: 1_000_000,
  lingerMs: 0,
  concurrency: 1,
  maxMessages: 100,
  maxBytes: 1_000_000,
};

/** Publishes one event to a digest that does as told, and lets two hours pass. */
async function twoHoursWith(handle: (call: number) => ReturnType<Digest["handle"]>) {
  const clock = createVirtualClock();
  let calls = 0;
  const digest: Digest = { handle: () => handle(++calls) };
  const store = createEventStore({
    transport: createMemoryTransport({ clock }),
    source: "test",
    configure: configureDigest(digest, options),
    clock,
  });
  await store.publish(receivedEvent(errorPayload("a")));
  await store.start();
  for (let minute = 0; minute < 120; minute++) await clock.advanceBy(60_000);
  const { letters } = await store.dead.list();
  const stopping = store.stop();
  await clock.advanceBy(60_000);
  await stopping;
  return { calls, letters };
}

test("ET-283 an outage is no failure: the event is tried again for as long as it lasts", async () => {
  const { calls, letters } = await twoHoursWith(async (call) => {
    if (call <= 200) throw new DigestError("ET_STORE_AWAY");
    return { failed: [] };
  });
  expect(calls).toBe(201);
  expect(letters).toEqual([]);
});

test("ET-286 what fails otherwise is tried three times", async () => {
  const { calls, letters } = await twoHoursWith(async () => ({ failed: [{ index: 0, error: new Error("bad") }] }));
  expect(calls).toBe(3);
  expect(letters).toMatchObject([{ reason: "exhausted" }]);
});
