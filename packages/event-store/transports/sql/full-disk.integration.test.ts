import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { errorCode, isRetryable } from "@signalbox/kernel";
import { canMountSmallDisk, mountSmallDisk } from "@signalbox/testing/servers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { defineEvent } from "../../define-event.js";
import { defineSubscriber } from "../../define-subscriber.js";
import type { DomainEvent } from "../../event.js";
import { createEventStore, type EventStore } from "../../event-store.js";
import { eventStoreMigrations } from "./migrations.js";
import { createSqlTransport } from "./transport.js";

const PageFilled = defineEvent("lab.page_filled", {
  schema: {
    type: "object",
    required: ["page", "text"],
    properties: { page: { type: "integer" }, text: { type: "string" } },
  },
});
type Page = DomainEvent<{ readonly page: number; readonly text: string }>;

const patience = { timeout: 60_000, interval: 20 };

let directory: string;
const closings: (() => Promise<void>)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "event-store-full-disk-"));
});
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true });
});

interface Shop {
  readonly store: EventStore;
  readonly database: Database;
  readonly handled: number[];
}

async function open(path: string): Promise<Shop> {
  const database = await openDatabase({ path });
  closings.push(() => database.close());
  await migrate(database, [eventStoreMigrations]);
  const handled: number[] = [];
  const reader = defineSubscriber("lab.read_pages", {
    handle: async ({ data }: Page) => void handled.push(data.page),
  });
  const store = createEventStore({
    transport: createSqlTransport({ database }),
    source: "/lab",
    configure: (registry) => registry.subscribe(reader, { to: PageFilled }),
  });
  closings.push(() => store.stop({ deadlineMs: 2_000 }));
  return { store, database, handled };
}

/** The pages that were accepted, and the errors of the others. */
async function publishPages(store: EventStore, from: number, count: number) {
  const pages = Array.from({ length: count }, (_, index) => from + index);
  const text = "x".repeat(4_000);
  const outcomes = await Promise.allSettled(pages.map((page) => store.publish(PageFilled.create({ page, text }))));
  return {
    accepted: pages.filter((_, index) => outcomes[index]?.status === "fulfilled"),
    errors: outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : [])),
  };
}

async function handlesExactly({ handled }: Shop, pages: readonly number[]): Promise<void> {
  const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((left, right) => left - right);
  await vi.waitFor(() => expect(sorted([...new Set(handled)])).toEqual(sorted(pages)), patience);
}

describe("the disk is full", () => {
  async function expectFullDisk(shop: Shop, makeRoom: () => Promise<void>): Promise<void> {
    const { store } = shop;
    const { accepted, errors } = await publishPages(store, 0, 600);
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect([errorCode(error), isRetryable(error)]).toEqual(["EVT_TRANSPORT_FULL", true]);
    await makeRoom();
    const later = await publishPages(store, 1_000, 20);
    expect(later.errors).toEqual([]);
    await store.start();
    // Whoever was told that it failed finds nothing delivered, whoever was not finds everything.
    await handlesExactly(shop, [...accepted, ...later.accepted]);
  }

  test("ES-210 what was accepted is handled, what was not is refused as worth repeating, and it goes on with room", async () => {
    const shop = await open(join(directory, "events.db"));
    const { rows } = await shop.database.run<{ page_count: number }>("pragma page_count");
    await shop.database.run(`pragma max_page_count = ${Number(rows[0]?.page_count) + 200}`);
    await expectFullDisk(shop, async () => void (await shop.database.run("pragma max_page_count = 1000000")));
  });

  test.skipIf(!canMountSmallDisk())(
    "ES-210 the same on a file system without room (needs the right to mount one)",
    async () => {
      const disk = mountSmallDisk(2 * 1024 * 1024);
      closings.push(async () => disk.unmount());
      await expectFullDisk(await open(join(disk.path, "events.db")), async () => disk.resize(64 * 1024 * 1024));
    },
  );
});

test("ES-210 a database that takes no writes for a while: publishing is refused, the rest is handled afterwards", async () => {
  const shop = await open(join(directory, "events.db"));
  const before = await publishPages(shop.store, 0, 20);
  await shop.database.run("pragma query_only = on");
  // Its worker finds the queue and cannot take anything out of it.
  await shop.store.start();
  const refused = await publishPages(shop.store, 100, 20);
  expect(refused.accepted).toEqual([]);
  for (const error of refused.errors)
    expect([errorCode(error), isRetryable(error)]).toEqual(["EVT_TRANSPORT_UNAVAILABLE", true]);
  expect(shop.handled).toEqual([]);
  await shop.database.run("pragma query_only = off");
  await handlesExactly(shop, before.accepted);
});
