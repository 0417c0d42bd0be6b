import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Blobs, createFileBlobs } from "@signalbox/blobs";
import { createLogger, createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import { expect, onTestFinished, test, vi } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import { EventStoreError, InvalidEvent } from "./errors.js";
import { createEventStore, type EventStore } from "./event-store.js";
import type { EventStoreOptions } from "./store-options.js";
import { createMemoryTransport, type MemoryTransport } from "./transports/memory.js";

const schema = {
  type: "object",
  required: ["text"],
  properties: { text: { type: "string" } },
} as const;
const Logged = defineEvent("ci.job_logged", { schema });
const Traced = defineEvent("ci.job_traced", { schema });

test("ES-033 above 65,536 encoded bytes there is one warning for each type and minute", async () => {
  const { store, clock, warnings } = setUp();
  await store.publish(ofSize(store, 65_536));
  expect(warnings()).toEqual([]);
  await store.publish(ofSize(store, 65_537));
  await store.publish(ofSize(store, 65_537));
  expect(warnings()).toMatchObject([{ msg: "event is large", event_type: Logged.type, bytes: 65_537 }]);
  await store.publish(ofSize(store, 65_537, Traced));
  expect(warnings()).toHaveLength(2);
  await clock.advanceBy(60_000);
  await store.publish(ofSize(store, 65_537));
  expect(warnings()).toHaveLength(3);
});

test("ES-033 the size counts in bytes, not in characters", async () => {
  const { store, warnings } = setUp();
  await store.publish(Logged.create({ text: "ü".repeat(33_000) }));
  expect(warnings()).toHaveLength(1);
});

test("ES-033 up to maxInlineBytes the data is in the envelope, above it is in a blob", async () => {
  const blobs = await fileBlobs();
  const { store, bodies } = setUp({ blobs });
  await store.publish(ofSize(store, 262_144));
  await store.publish(ofSize(store, 262_145));
  const [inline, spilled] = bodies();
  expect(inline).toHaveProperty("data");
  expect(inline).not.toHaveProperty("dataref");
  expect(spilled).not.toHaveProperty("data");
  expect(await keysOf(blobs)).toEqual([spilled?.["dataref"]]);
  expect(spilled).toMatchObject({
    dataref: expect.stringMatching(/^event-data\//),
    type: "dev.signalbox.ci.job_logged",
  });
});

test("ES-033 the handler gets the data whether or not it was in a blob", async () => {
  const { store, transport, handled } = setUp({ blobs: await fileBlobs() });
  await store.start();
  const big = "x".repeat(300_000);
  await store.publish(Logged.create({ text: big }));
  await store.publish(Logged.create({ text: "small" }));
  await transport.runUntilIdle();
  expect(new Set(handled)).toEqual(new Set([big, "small"]));
});

test("ES-033 so does a group with large and small events, in order", async () => {
  const { store, transport, handled } = setUp({ blobs: await fileBlobs() });
  await store.start();
  const texts = ["first", "x".repeat(300_000), "last"];
  await store.publishGroup(texts.map((text) => Logged.create({ text })));
  await transport.runUntilIdle();
  expect(handled).toEqual(texts);
});

test("ES-033 without a blob store a large event is refused before anything is dispatched", async () => {
  const { store, bodies } = setUp();
  const error = await refusal(store.publish(ofSize(store, 262_145)));
  expect(error).toBeInstanceOf(InvalidEvent);
  expect(error).toMatchObject({ code: "EVT_TOO_LARGE", details: { bytes: 262_145, maxBytes: 262_144 } });
  expect(bodies()).toEqual([]);
});

test("ES-033 a group with an event that is too large is refused before anything is dispatched, however long it is", async () => {
  const { store, bodies } = setUp();
  const events = Array.from({ length: 30 }, () => ofSize(store, 60_000));
  const error = await refusal(store.publishGroup([...events, ofSize(store, 262_145)]));
  expect(error).toMatchObject({ code: "EVT_TOO_LARGE", details: { maxBytes: 262_144 } });
  expect(bodies()).toEqual([]);
});

test("ES-033 above maxEventBytes an event is refused, blob store or not", async () => {
  const { store, bodies } = setUp({ blobs: await fileBlobs() });
  await store.publish(ofSize(store, 16_777_216));
  const error = await refusal(store.publish(ofSize(store, 16_777_217)));
  expect(error).toMatchObject({ code: "EVT_TOO_LARGE", details: { maxBytes: 16_777_216 } });
  expect(bodies()).toHaveLength(1);
});

test("ES-033 the limits of a store may be lower than the sizes that are never counted", async () => {
  const { store, bodies } = setUp({
    blobs: await fileBlobs(),
    limits: { maxInlineBytes: 1_024, maxEventBytes: 2_048 },
  });
  await store.publish(ofSize(store, 1_024));
  await store.publish(ofSize(store, 1_025));
  expect((await refusal(store.publish(ofSize(store, 2_049)))).code).toBe("EVT_TOO_LARGE");
  expect(bodies().map((body) => "dataref" in body)).toEqual([false, true]);
});

test("ES-033 a definition's own maxInlineBytes goes before the store's", async () => {
  const Small = defineEvent("ci.job_noted", { schema, maxInlineBytes: 2_000 });
  const Large = defineEvent("ci.job_archived", { schema, maxInlineBytes: 500_000 });
  const { store, bodies } = setUp({ blobs: await fileBlobs() }, [Small, Large]);
  await store.publish(ofSize(store, 2_001, Small));
  await store.publish(ofSize(store, 400_000, Large));
  expect(bodies().map((body) => "dataref" in body)).toEqual([true, false]);
});

test("ES-033 a group is refused once, when one event is too large and another's blob cannot be written", async () => {
  const rejections: unknown[] = [];
  const note = (error: unknown): void => void rejections.push(error);
  process.on("unhandledRejection", note);
  onTestFinished(() => void process.off("unhandledRejection", note));
  const blobs = await fileBlobs();
  vi.spyOn(blobs, "put").mockRejectedValue(new Error("disk full"));
  const { store, bodies } = setUp({ blobs });
  await refusal(store.publishGroup([ofSize(store, 262_145), ofSize(store, 16_777_217)])).catch(() => {});
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  expect(rejections).toEqual([]);
  expect(bodies()).toEqual([]);
});

test("ES-033 data that a process cannot fetch is retried, and handled once it can", async () => {
  const blobs = await fileBlobs();
  const { store, transport, handled, warnings } = setUp({ blobs });
  await store.start();
  const get = vi.spyOn(blobs, "get").mockRejectedValueOnce(new Error("disk away"));
  await store.publish(Logged.create({ text: "x".repeat(300_000) }));
  await transport.runUntilIdle();
  expect(handled).toEqual([]);
  expect(warnings().map(({ msg }) => msg)).toContain("delivery failed");
  await transport.advanceBy(2_000);
  await transport.runUntilIdle();
  expect(handled).toHaveLength(1);
  expect(get).toHaveBeenCalledTimes(2);
});

/** An event whose encoded form has exactly this many bytes. */
function ofSize(store: EventStore, bytes: number, definition = Logged): ReturnType<typeof Logged.create> {
  const id = "E".repeat(26);
  const empty = Buffer.byteLength(store.encodeEvent(definition.create({ text: "" }, { id })));
  return definition.create({ text: "x".repeat(bytes - empty) }, { id: nextId() });
}

let ids = 0;

/** Ids of one length, as those that are made by default. */
function nextId(): string {
  return String(++ids).padStart(26, "0");
}

async function fileBlobs(): Promise<Blobs> {
  const directory = await mkdtemp(join(tmpdir(), "event-store-blobs-"));
  const blobs = await createFileBlobs({ directory });
  onTestFinished(async () => {
    await blobs.close();
    await rm(directory, { recursive: true, force: true });
  });
  return blobs;
}

interface Parts {
  readonly store: EventStore;
  readonly transport: MemoryTransport;
  readonly clock: VirtualClock;
  readonly handled: string[];
  /** Envelopes that were handed to the transport. */
  bodies(): Record<string, unknown>[];
  warnings(): Record<string, unknown>[];
}

function setUp(options: Partial<EventStoreOptions> = {}, definitions = [Logged, Traced]): Parts {
  const clock = createVirtualClock();
  const transport = createMemoryTransport({ clock });
  const enqueue = vi.spyOn(transport, "enqueue");
  const texts: string[] = [];
  const logger = createLogger({ level: "warn", destination: { write: (text: string) => void texts.push(text) } });
  const handled: string[] = [];
  const Worker = defineSubscriber<{ text: string }>("ci.worker", {
    handle: async ({ data }) => void handled.push(data.text),
    retry: { jitter: 0 },
  });
  const store = createEventStore({
    transport,
    clock,
    logger,
    source: "app",
    configure: (registry) => registry.subscribe(Worker, { to: definitions }),
    ...options,
  });
  onTestFinished(() => store.stop());
  return {
    store,
    transport,
    clock,
    handled,
    bodies: () => enqueue.mock.calls.flatMap(([given]) => given.map(({ body }) => JSON.parse(body))),
    warnings: () => texts.map((text) => JSON.parse(text)).filter(({ level }) => level === "warn"),
  };
}

async function keysOf(blobs: Blobs): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of blobs.list("event-data")) keys.push(key);
  return keys;
}

async function refusal(work: Promise<unknown>): Promise<EventStoreError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof EventStoreError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
