import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, type OpenDatabaseOptions, openDatabase } from "@signalbox/database";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber, type SubscriberOptions } from "./define-subscriber.js";
import { consumeEvent, createTestStore, type TestStore, trackedSession } from "./testing.js";
import { eventStoreMigrations } from "./transports/sql/migrations.js";

const ItemSold = defineEvent("shop.item_sold", {
  schema: { type: "object", required: ["item"], properties: { item: { type: "integer" } } },
});
type Sold = { item: number };
interface Tables {
  sales: { item: number };
}

const retentionMs = 600_000;

describe("SQLite", () => {
  describeOnce(async () => {
    const directory = mkdtempSync(join(tmpdir(), "event-store-once-"));
    return { target: { path: join(directory, "events.db") }, destroy: () => rmSync(directory, { recursive: true }) };
  });
});

const needed = requireServers(["postgres"]);
describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  describeOnce(async () => ({ target: { url: await server.createDatabase() }, destroy: () => {} }));
});

interface Place {
  readonly target: Pick<OpenDatabaseOptions, "url" | "path">;
  destroy(): void;
}

function describeOnce(create: () => Promise<Place>): void {
  let place: Place;
  let database: Database;
  const open: TestStore[] = [];
  beforeEach(async () => {
    place = await create();
    database = await openDatabase(place.target);
    await migrate(database, [eventStoreMigrations]);
    await database.run("create table sales (item integer not null)");
  });
  afterEach(async () => {
    for (const { store } of open.splice(0)) await store.stop();
    await database.close();
    place.destroy();
  });

  /** A store whose records are in the database, while its time is the test's. */
  const subscribe = (name: string, options: SubscriberOptions<Sold>): TestStore => {
    const subscriber = defineSubscriber<Sold>(name, { retry: { baseMs: 1_000, jitter: 0 }, ...options });
    const made = createTestStore({
      database,
      // Time is made to fly here, and every look into the database on the way is a real one.
      limits: { inboxRetentionMs: retentionMs, outboxPollMs: 600_000 },
      configure: (registry) => registry.subscribe(subscriber, { to: ItemSold }),
    });
    open.push(made);
    return made;
  };
  const sales = async (): Promise<number[]> => {
    const rows = await database.as<Tables>().selectFrom("sales").select("item").orderBy("item").execute();
    return rows.map(({ item }) => Number(item));
  };
  const inbox = async (): Promise<unknown[]> =>
    (await database.run("select subscription, event_id from event_inbox order by subscription, event_id")).rows;

  test("ES-186 the work is done once for each event, however often the delivery is handled", async () => {
    const results: unknown[] = [];
    const { store } = subscribe("stock.take", {
      async handle({ data: { item } }, { attempt, once }) {
        const result = await once<string, Tables>(async (transaction) => {
          await transaction.insertInto("sales").values({ item }).execute();
          return `sold ${item}`;
        });
        results.push(result);
        if (attempt < 3) throw new Error("the process died before the settlement");
      },
    });
    const event = ItemSold.create({ item: 1 });
    await trackedSession(store, () => store.publish(event), { handlerErrors: "report" });
    expect(results).toEqual(["sold 1", undefined, undefined]);
    expect(await sales()).toEqual([1]);
    expect(await inbox()).toEqual([{ subscription: "stock.take/shop.item_sold", event_id: event.id }]);
    await trackedSession(store, () => store.publish(ItemSold.create({ item: 2 })), { handlerErrors: "report" });
    expect(await sales()).toEqual([1, 2]);
  });

  test("ES-186 work that fails leaves nothing behind, and is done again", async () => {
    const { store } = subscribe("stock.take", {
      handle: ({ data: { item } }, { attempt, once }) =>
        once<void, Tables>(async (transaction) => {
          await transaction.insertInto("sales").values({ item }).execute();
          if (attempt === 1) throw new Error("too late");
        }),
    });
    await trackedSession(store, () => store.publish(ItemSold.create({ item: 1 })), { handlerErrors: "report" });
    expect(await sales()).toEqual([1]);
    expect(await inbox()).toHaveLength(1);
  });

  test("ES-186 each subscription remembers by itself, and of two at the same time one does the work", async () => {
    const options: SubscriberOptions<Sold> = {
      handle: ({ data: { item } }, { once }) =>
        once<void, Tables>(async (transaction) => {
          await transaction.insertInto("sales").values({ item }).execute();
        }),
    };
    const event = ItemSold.create({ item: 1 });
    const { store } = subscribe("stock.take", options);
    const take = defineSubscriber<Sold>("stock.take", options);
    const count = defineSubscriber<Sold>("reports.count", options);
    await Promise.all(Array.from({ length: 5 }, () => consumeEvent({ subscriber: take, event, store })));
    expect(await sales()).toEqual([1]);
    await consumeEvent({ subscriber: count, event, store });
    expect(await sales()).toEqual([1, 1]);
  });

  test("ES-186 in a batch the work belongs to the event whose turn it is", async () => {
    const { store } = subscribe("stock.take", {
      async handleBatch(events, { forEvent, once }) {
        for (const event of events)
          await forEvent(event, () =>
            once<void, Tables>(async (transaction) => {
              await transaction.insertInto("sales").values({ item: event.data.item }).execute();
            }),
          );
      },
    });
    await trackedSession(store, () => store.publishGroup([1, 2, 3].map((item) => ItemSold.create({ item }))));
    expect(await sales()).toEqual([1, 2, 3]);
    expect(await inbox()).toHaveLength(3);
  });

  test("ES-186 what was handled is remembered for the retention, and not for ever", async () => {
    const { store, advanceBy } = subscribe("stock.take", {
      handle: (_, { once }) => once(async () => {}),
    });
    await trackedSession(store, () => store.publish(ItemSold.create({ item: 1 })));
    await advanceBy(retentionMs - 60_000);
    expect(await inbox()).toHaveLength(1);
    // What is too old is looked for once an hour.
    await advanceBy(3_600_000);
    await expect.poll(inbox).toHaveLength(0);
  });
}

test("ES-186 without a database it says what it needs", async () => {
  const subscriber = defineSubscriber<Sold>("stock.take", { handle: (_, { once }) => once(async () => {}) });
  await expect(consumeEvent({ subscriber, event: ItemSold.create({ item: 1 }) })).rejects.toMatchObject({
    code: "EVT_CONFIG_INVALID",
    details: { option: "database" },
  });
});
