import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import { createEventStore, type EventStore } from "./event-store.js";
import { eventStoreMigrations } from "./transports/sql/migrations.js";
import { createSqlTransport } from "./transports/sql/transport.js";

/** The release that still runs, and the one that is being rolled out beside it. */
const OldNamed = defineEvent("shop.customer_named", {
  schema: { type: "object", required: ["name"], properties: { name: { type: "string" } }, additionalProperties: false },
});
const NewNamed = defineEvent("shop.customer_named", {
  version: 2,
  schema: {
    type: "object",
    required: ["first", "last"],
    properties: { first: { type: "string" }, last: { type: "string" } },
    additionalProperties: false,
  },
  upcast: {
    1: ({ name }) => {
      const [first = "", last = ""] = String(name).split(" ");
      return { first, last };
    },
  },
});

let directory: string;
let database: Database;
const stores: EventStore[] = [];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "event-store-rollout-"));
  database = await openDatabase({ path: join(directory, "events.db") });
  await migrate(database, [eventStoreMigrations]);
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.stop({ deadlineMs: 2_000 });
  await database.close();
  rmSync(directory, { recursive: true });
});

interface Release {
  readonly store: EventStore;
  /** Versions and data that its handler got. */
  readonly seen: (readonly [version: number, data: unknown])[];
}

function openRelease(definition: typeof OldNamed | typeof NewNamed): Release {
  const seen: (readonly [number, unknown])[] = [];
  const greeter = defineSubscriber("post.greet_customers", {
    handle: async ({ version, data }: DomainEvent<object>) => void seen.push([version, data]),
    // Either release may be the one that takes it; a minute is enough for both to have had their turns.
    retry: { maxAttempts: 100, baseMs: 300, factor: 1, jitter: 1 },
  });
  const store = createEventStore({
    transport: createSqlTransport({ database, pollMs: 20 }),
    source: "/shop",
    configure: (registry) => registry.subscribe(greeter, { to: definition }),
  });
  stores.push(store);
  return { store, seen };
}

const patience = { timeout: 60_000, interval: 20 };

test("ES-032 ES-165 two versions of an event are in flight: each release handles what it can read, and nothing dies", async () => {
  const [running, coming] = [openRelease(OldNamed), openRelease(NewNamed)];
  await running.store.start();
  await running.store.publish(OldNamed.create({ name: "Ada Lovelace" }));
  await vi.waitFor(() => expect(running.seen).toEqual([[1, { name: "Ada Lovelace" }]]), patience);

  // The old release takes it again and again and cannot read it; that is no reason to give it up.
  await coming.store.publish(NewNamed.create({ first: "Grace", last: "Hopper" }));
  const attempts = async (): Promise<number> => {
    const { rows } = await database.run("select attempts from event_deliveries where state <> 3");
    return Number(rows[0]?.["attempts"] ?? 0);
  };
  await vi.waitFor(async () => expect(await attempts()).toBeGreaterThan(1), patience);
  expect(running.seen).toHaveLength(1);

  await coming.store.start();
  await vi.waitFor(() => expect(coming.seen).toEqual([[2, { first: "Grace", last: "Hopper" }]]), patience);

  // What the old release still publishes reaches the new one in the new form.
  await running.store.stop();
  const last = openRelease(OldNamed);
  await last.store.publish(OldNamed.create({ name: "Alan Turing" }));
  await vi.waitFor(() => expect(coming.seen[1]).toEqual([2, { first: "Alan", last: "Turing" }]), patience);
  expect((await coming.store.dead.list({})).letters).toEqual([]);
});
