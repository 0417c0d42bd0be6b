import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Database,
  inTransaction,
  migrate,
  type OpenDatabaseOptions,
  openDatabase,
  withTransactionScope,
} from "@signalbox/database";
import { createLogger } from "@signalbox/kernel";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { Kysely, PostgresDialect, type Transaction } from "kysely";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import { createEventStore, type EventStore } from "./event-store.js";
import type { EventStoreOptions } from "./store-options.js";
import { eventStoreMigrations } from "./transports/sql/migrations.js";
import { createSqlTransport } from "./transports/sql/transport.js";

const ItemSold = defineEvent("shop.item_sold", {
  schema: { type: "object", required: ["item"], properties: { item: { type: "integer" } } },
});
type Sold = DomainEvent<{ item: number }>;
interface Tables {
  sales: { item: number };
}

describe("SQLite", () => {
  describeTransactions(async () => {
    const directory = mkdtempSync(join(tmpdir(), "event-store-transactions-"));
    return {
      target: { path: join(directory, "events.db") },
      other: { path: join(directory, "other.db") },
      destroy: async () => rmSync(directory, { recursive: true }),
    };
  });
});

const needed = requireServers(["postgres"]);
describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  const create = async () => {
    const [url, other] = [await server.createDatabase(), await server.createDatabase()];
    return { target: { url }, other: { url: other }, destroy: async () => {} };
  };
  describeTransactions(create);
  describePgClients(create);
});

interface Place {
  readonly target: Pick<OpenDatabaseOptions, "url" | "path">;
  readonly other: Pick<OpenDatabaseOptions, "url" | "path">;
  destroy(): Promise<void>;
}

interface Shop {
  readonly database: Database;
  readonly other: Database;
  readonly store: EventStore;
  /** Items that the subscriber has seen. */
  readonly seen: number[];
}

function useShop(create: () => Promise<Place>): () => Shop & { readonly place: Place; readonly lines: string[] } {
  let place: Place;
  let shop: Shop;
  let lines: string[];
  beforeEach(async () => {
    place = await create();
    lines = [];
    const [database, other] = [await openDatabase(place.target), await openDatabase(place.other)];
    for (const one of [database, other]) {
      await migrate(one, [eventStoreMigrations]);
      await one.run("create table sales (item integer not null)");
    }
    const seen: number[] = [];
    const { store } = createShop({ transport: createSqlTransport({ database }), seen, lines });
    shop = { database, other, store, seen };
    await store.start();
  });
  afterEach(async () => {
    await shop.store.stop();
    await shop.database.close();
    await shop.other.close();
    await place.destroy();
  });
  return () => ({ ...shop, place, lines });
}

function createShop(options: {
  readonly transport: EventStoreOptions["transport"];
  readonly database?: Database;
  readonly seen: number[];
  readonly lines?: string[];
}): { readonly store: EventStore } {
  const counter = defineSubscriber("reports.count_sales", {
    handle: async (event: Sold) => void options.seen.push(event.data.item),
  });
  const broken = defineSubscriber("reports.never", { handle: async () => {} });
  const store = createEventStore({
    transport: options.transport,
    ...(options.database && { database: options.database }),
    source: "/shop",
    errors: { condition: "report" },
    logger: createLogger({
      level: "error",
      destination: { write: (line: string) => void options.lines?.push(line) },
    }),
    configure(registry) {
      registry.subscribe(counter, { to: ItemSold });
      registry.subscribe(broken, {
        to: ItemSold,
        if(event) {
          if (event.data.item === 13) throw new Error("thirteen");
          return false;
        },
      });
    },
  });
  return { store };
}

function describeTransactions(create: () => Promise<Place>): void {
  const shop = useShop(create);
  const sell = async (transaction: Transaction<Tables>, item: number, publish = true): Promise<void> => {
    await transaction.insertInto("sales").values({ item }).execute();
    if (publish) await shop().store.publish(ItemSold.create({ item }), { transaction });
  };

  test("ES-146 what is published in a transaction is delivered when it commits, together with its rows", async () => {
    const { database, seen } = shop();
    await database.transaction(async (transaction: Transaction<Tables>) => {
      await sell(transaction, 1);
      await sell(transaction, 2);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(seen).toEqual([]);
    });
    await expect.poll(() => seen.toSorted(), { timeout: 10_000 }).toEqual([1, 2]);
    const { rows } = await database.run("select count(*) as count from sales");
    expect(Number(rows[0]?.["count"])).toBe(2);
  });

  test("ES-146 what is published in a transaction that rolls back is never delivered", async () => {
    const { database, store, seen } = shop();
    await expect(
      database.transaction(async (transaction: Transaction<Tables>) => {
        await sell(transaction, 1);
        await store.publishGroup(
          [2, 3].map((item) => ItemSold.create({ item })),
          { transaction },
        );
        throw new Error("changed my mind");
      }),
    ).rejects.toThrow("changed my mind");
    await store.publish(ItemSold.create({ item: 4 }));
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([4]);
    const { rows } = await database.run("select count(*) as count from event_deliveries");
    expect(Number(rows[0]?.["count"])).toBe(1);
  });

  test("ES-146 groups and group-committed transactions take part, too", async () => {
    const { database, store, seen } = shop();
    await Promise.all(
      [10, 20, 30].map((base) =>
        database.commitTogether(async (transaction: Transaction<Tables>) => {
          await transaction.insertInto("sales").values({ item: base }).execute();
          const events = [base, base + 1, base + 2].map((item) => ItemSold.create({ item }));
          await store.publishGroup(events, { transaction });
        }),
      ),
    );
    await expect.poll(() => seen.toSorted(), { timeout: 10_000 }).toEqual([10, 11, 12, 20, 21, 22, 30, 31, 32]);
  });

  test("ES-104 a failing condition inside a transaction leaves its dead letter when the transaction commits", async () => {
    const { database, store, seen } = shop();
    const rolledBack = database.transaction(async (transaction: Transaction<Tables>) => {
      await store.publish(ItemSold.create({ item: 13 }), { transaction });
      throw new Error("changed my mind");
    });
    await expect(rolledBack).rejects.toThrow("changed my mind");
    expect((await store.dead.list()).letters).toEqual([]);
    await database.transaction((transaction: Transaction<Tables>) => sell(transaction, 13));
    expect((await store.dead.list()).letters).toMatchObject([
      { subscription: "reports.never/shop.item_sold", reason: "condition_error", error: { message: "thirteen" } },
    ]);
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([13]);
  });

  test("ES-145 publishing inside a transaction without being part of it is refused and logged", async () => {
    const { database, store, seen, lines } = shop();
    const inner = () => store.publish(ItemSold.create({ item: 1 }));
    await expect(database.transaction(inner)).rejects.toMatchObject({ code: "EVT_IN_TRANSACTION" });
    const deep = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return Promise.all([1].map(() => store.publishGroup([ItemSold.create({ item: 2 })])));
    };
    await expect(database.transaction(deep)).rejects.toMatchObject({ code: "EVT_IN_TRANSACTION" });
    await expect(database.commitTogether(inner)).rejects.toMatchObject({ code: "EVT_IN_TRANSACTION" });
    await expect(withTransactionScope(inner)).rejects.toMatchObject({ code: "EVT_IN_TRANSACTION" });
    expect(lines.filter((line) => line.includes("EVT_IN_TRANSACTION"))).toHaveLength(4);
    await store.publish(ItemSold.create({ item: 3 }));
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([3]);
  });

  test("ES-145 a handler that was woken from inside a transaction is not inside it", async () => {
    const { database, place } = shop();
    const inside: boolean[] = [];
    const probe = defineSubscriber("reports.probe", { handle: async () => void inside.push(inTransaction()) });
    const store = createEventStore({
      transport: createSqlTransport({ database }),
      source: "/shop",
      configure: (registry) => registry.subscribe(probe, { to: ItemSold }),
    });
    void place;
    await database.transaction(async (transaction: Transaction<Tables>) => {
      await store.publish(ItemSold.create({ item: 1 }), { transaction });
      await store.start();
    });
    await store.publish(ItemSold.create({ item: 2 }));
    await expect.poll(() => inside.length, { timeout: 10_000 }).toBe(2);
    expect(inside).toEqual([false, false]);
    await store.stop();
  });

  test("ES-145 a transaction that has ended, or never began, is refused before anything is written", async () => {
    const { database, store, seen } = shop();
    let ended: Transaction<Tables> | undefined;
    await database.transaction(async (transaction: Transaction<Tables>) => {
      ended = transaction;
    });
    const event = ItemSold.create({ item: 1 });
    await expect(store.publish(event, { transaction: ended as Transaction<Tables> })).rejects.toMatchObject({
      code: "EVT_TRANSACTION_CLOSED",
    });
    // @ts-expect-error the database itself is no transaction
    await expect(store.publish(event, { transaction: database.as() })).rejects.toMatchObject({
      code: "EVT_TRANSACTION_CLOSED",
    });
    await store.publish(ItemSold.create({ item: 2 }));
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([2]);
  });

  test("ES-145 a transaction of another database is refused before anything is written", async () => {
    const { other, store, database } = shop();
    await expect(
      other.transaction(async (transaction: Transaction<Tables>) => {
        await store.publish(ItemSold.create({ item: 1 }), { transaction });
      }),
    ).rejects.toMatchObject({ code: "EVT_TRANSACTION_FOREIGN" });
    for (const one of [database, other]) {
      const { rows } = await one.run("select count(*) as count from event_deliveries");
      expect(Number(rows[0]?.["count"])).toBe(0);
    }
  });

  test("ES-145 a transport on another database cannot be joined", async () => {
    const { database, other } = shop();
    const { store } = createShop({ transport: createSqlTransport({ database: other }), database, seen: [] });
    await expect(
      database.transaction((transaction: Transaction<Tables>) =>
        store.publish(ItemSold.create({ item: 1 }), { transaction }),
      ),
    ).rejects.toMatchObject({ code: "EVT_TRANSACTION_FOREIGN" });
    await store.stop();
  });

  test("ES-105 an event that was published in a transaction and again after it is delivered once", async () => {
    const { database, store, seen } = shop();
    const event = ItemSold.create({ item: 1 });
    await database.transaction(async (transaction: Transaction<Tables>) => {
      expect((await store.publish(event, { transaction })).decisions[0]?.decision).toBe("dispatched");
      expect((await store.publish(event, { transaction })).decisions[0]?.decision).toBe("duplicate");
    });
    expect((await store.publish(event)).decisions[0]?.decision).toBe("duplicate");
    await store.publish(ItemSold.create({ item: 2 }));
    await expect.poll(() => seen.toSorted(), { timeout: 10_000 }).toEqual([1, 2]);
  });
}

/** Transactions that an application opened without the database port. */
function describePgClients(create: () => Promise<Place>): void {
  const shop = useShop(create);

  test("ES-146 a pg client inside BEGIN takes part: commit delivers, rollback does not", async () => {
    const { place, store, seen } = shop();
    const client = new pg.Client({ connectionString: place.target.url });
    await client.connect();
    try {
      await client.query("begin");
      await store.publish(ItemSold.create({ item: 1 }), { transaction: client });
      await client.query("rollback");
      await client.query("begin");
      await client.query("insert into sales (item) values (2)");
      await store.publish(ItemSold.create({ item: 2 }), { transaction: client });
      expect(seen).toEqual([]);
      await client.query("commit");
      await expect.poll(() => seen, { timeout: 10_000 }).toEqual([2]);
    } finally {
      await client.end();
    }
  });

  test("ES-145 a pg client outside of a transaction, or on another database, is refused", async () => {
    const { place, store, database } = shop();
    for (const [url, code] of [
      [place.target.url, "EVT_TRANSACTION_CLOSED"],
      [place.other.url, "EVT_TRANSACTION_FOREIGN"],
    ]) {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      if (code === "EVT_TRANSACTION_FOREIGN") await client.query("begin");
      await expect(store.publish(ItemSold.create({ item: 1 }), { transaction: client })).rejects.toMatchObject({
        code,
      });
      await client.end();
    }
    const { rows } = await database.run("select count(*) as count from event_deliveries");
    expect(Number(rows[0]?.["count"])).toBe(0);
  });

  test("ES-146 a transaction of the application's own Kysely takes part", async () => {
    const { place, store, seen } = shop();
    const pool = new pg.Pool({ connectionString: place.target.url, max: 1 });
    // The server may stop before the pool has let go of it.
    pool.on("error", () => {});
    const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
    await kysely.transaction().execute(async (transaction) => {
      await transaction.insertInto("sales").values({ item: 5 }).execute();
      await store.publish(ItemSold.create({ item: 5 }), { transaction });
    });
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([5]);
    await kysely.destroy();
  });
}
