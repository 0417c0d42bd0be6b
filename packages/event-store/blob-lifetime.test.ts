import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Blobs, createFileBlobs } from "@signalbox/blobs";
import { type Database, migrate, openSqlite } from "@signalbox/database";
import { createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber, type RetryOptions } from "./define-subscriber.js";
import { createEventStore, type EventStore } from "./event-store.js";
import { createMemoryTransport } from "./transports/memory.js";
import { eventStoreMigrations } from "./transports/sql/migrations.js";
import { createSqlTransport } from "./transports/sql/transport.js";
import type { Transport } from "./transports/transport.js";

const Logged = defineEvent("ci.job_logged", {
  schema: { type: "object", required: ["text"], properties: { text: { type: "string" } } },
});
const large = () => Logged.create({ text: "x".repeat(300_000) });

for (const engine of ["memory", "SQLite"] as const)
  describe(engine, () => {
    test("ES-033 a blob is deleted once every delivery that refers to it is handled", async () => {
      const { store, blobs, finish, keys } = await setUp(engine, ["ci.first", "ci.second"]);
      await store.publish(large());
      expect(await keys()).toHaveLength(1);
      await expect.poll(() => finish.size, { timeout: 10_000 }).toBe(2);
      finish.get("ci.first")?.();
      await new Promise((resolve) => setTimeout(resolve, 200));
      const [key] = await keys();
      expect(await blobs.get(key ?? "")).toHaveLength(300_011);
      finish.get("ci.second")?.();
      await expect.poll(keys, { timeout: 10_000 }).toEqual([]);
    });

    test("ES-033 a retry finds its data, a dead letter keeps it", async () => {
      let calls = 0;
      const { store, keys } = await setUp(engine, ["ci.first"], {
        retry: { maxAttempts: 2, baseMs: 1, jitter: 0 },
        handle: async (text) => {
          expect(text).toHaveLength(300_000);
          calls++;
          throw new Error("no");
        },
      });
      await store.publish(large());
      await expect.poll(async () => (await store.dead.list()).letters.length, { timeout: 10_000 }).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(calls).toBe(2);
      expect(await keys()).toHaveLength(1);
      const [letter] = (await store.dead.list()).letters;
      expect(JSON.parse(letter?.event ?? "")).toMatchObject({ dataref: (await keys())[0] });
    });

    test("ES-033 a repeated publish leaves no second blob behind, and takes none away", async () => {
      const { store, finish, keys } = await setUp(engine, ["ci.first"]);
      const event = large();
      await store.publish(event);
      const before = await keys();
      const receipt = await store.publish(event);
      expect(receipt.decisions[0]?.decision).toBe("duplicate");
      expect(await keys()).toEqual(before);
      await expect.poll(() => finish.size, { timeout: 10_000 }).toBe(1);
      finish.get("ci.first")?.();
      await expect.poll(keys, { timeout: 10_000 }).toEqual([]);
    });
  });

test("ES-033 what a rolled back transaction left is deleted as an orphan, and nothing younger", async () => {
  const clock = createVirtualClock(Date.now());
  const { store, database, keys } = await setUp("SQLite", ["ci.first"], {}, clock);
  await expect(
    database?.transaction(async (transaction: Transaction<object>) => {
      await store.publish(large(), { transaction });
      throw new Error("changed my mind");
    }),
  ).rejects.toThrow("changed my mind");
  const [orphan] = await keys();
  expect(orphan).toBeDefined();
  await clock.advanceBy(3_600_000);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await keys()).toEqual([orphan]);
  await store.publish(large());
  expect(await keys()).toHaveLength(2);
  await clock.advanceBy(3_600_000);
  await expect.poll(keys, { timeout: 10_000 }).not.toContain(orphan);
  expect(await keys()).toHaveLength(1);
});

interface SetUp {
  readonly store: EventStore;
  readonly blobs: Blobs;
  readonly database: Database | undefined;
  /** Ends the handler of a subscriber. */
  readonly finish: Map<string, () => void>;
  keys(): Promise<string[]>;
}

async function setUp(
  engine: "memory" | "SQLite",
  names: readonly string[],
  options: { readonly retry?: RetryOptions; readonly handle?: (text: string) => Promise<void> } = {},
  clock?: VirtualClock,
): Promise<SetUp> {
  const directory = await mkdtemp(join(tmpdir(), "event-store-blobs-"));
  const blobs = await createFileBlobs({ directory: join(directory, "blobs") });
  const database = engine === "SQLite" ? await openSqlite({ path: join(directory, "events.db") }) : undefined;
  if (database) await migrate(database, [eventStoreMigrations]);
  const transport: Transport = database ? createSqlTransport({ database }) : createMemoryTransport();
  const finish = new Map<string, () => void>();
  const store = createEventStore({
    transport,
    blobs,
    source: "/test",
    ...(clock && { clock }),
    configure(registry) {
      for (const name of names) {
        const subscriber = defineSubscriber<{ text: string }>(name, {
          ...(options.retry && { retry: options.retry }),
          handle: ({ data }) =>
            options.handle?.(data.text) ?? new Promise<void>((resolve) => void finish.set(name, resolve)),
        });
        registry.subscribe(subscriber, { to: Logged });
      }
    },
  });
  await store.start();
  onTestFinished(async () => {
    for (const end of finish.values()) end();
    const stopping = store.stop({ deadlineMs: 0 });
    await clock?.advanceBy(5_000);
    await stopping;
    await database?.close();
    await blobs.close();
    await rm(directory, { recursive: true, force: true });
  });
  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const key of blobs.list("event-data/")) found.push(key);
    return found;
  };
  return { store, blobs, database, finish, keys };
}
