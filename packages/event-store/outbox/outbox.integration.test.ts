import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, type OpenDatabaseOptions, openDatabase } from "@signalbox/database";
import type { Gauge, GaugeOptions, MetricOptions, Metrics } from "@signalbox/kernel";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import type { Transaction } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineEvent } from "../define-event.js";
import { defineSubscriber } from "../define-subscriber.js";
import { EventStoreError } from "../errors.js";
import type { DomainEvent } from "../event.js";
import { createEventStore, type EventStore } from "../event-store.js";
import type { Limits } from "../limits.js";
import { createMemoryTransport } from "../transports/memory.js";
import { eventStoreMigrations } from "../transports/sql/migrations.js";
import type { Delivery, Transport } from "../transports/transport.js";

const ItemSold = defineEvent("shop.item_sold", {
  schema: { type: "object", required: ["item"], properties: { item: { type: "integer" }, shelf: { type: "string" } } },
});
type Sold = DomainEvent<{ item: number; shelf?: string }>;

describe("SQLite", () => {
  describeOutbox(async () => {
    const directory = mkdtempSync(join(tmpdir(), "event-store-outbox-"));
    return {
      target: { path: join(directory, "events.db") },
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
  describeOutbox(async () => ({ target: { url: await server.createDatabase() }, destroy: async () => {} }));

  test("ES-149 a transaction that commits late, with earlier numbers, is not skipped", async () => {
    const database = await openDatabase({ url: await server.createDatabase() });
    await migrate(database, [eventStoreMigrations]);
    const { store, seen } = createShop(database, createMemoryTransport());
    await store.start();
    let commitFirst = (): void => {};
    let begun = (): void => {};
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const first = database.transaction(async (transaction: Transaction<object>) => {
      await store.publish(ItemSold.create({ item: 1 }), { transaction });
      begun();
      await new Promise<void>((resolve) => {
        commitFirst = resolve;
      });
    });
    await hasBegun;
    await database.transaction((transaction: Transaction<object>) =>
      store.publish(ItemSold.create({ item: 2 }), { transaction }),
    );
    await expect.poll(() => seen).toEqual([2]);
    commitFirst();
    await first;
    await expect.poll(() => seen).toEqual([2, 1]);
    await store.stop();
    await database.close();
  });
});

interface Place {
  readonly target: Pick<OpenDatabaseOptions, "url" | "path">;
  destroy(): Promise<void>;
}

interface Shop {
  readonly store: EventStore;
  /** Items that the subscriber has seen. */
  readonly seen: number[];
  readonly gauges: Map<string, GaugeOptions>;
  readonly counted: Map<string, number>;
}

function createShop(database: Database, transport: Transport, limits: Partial<Limits> = {}): Shop {
  const seen: number[] = [];
  const gauges = new Map<string, GaugeOptions>();
  const counted = new Map<string, number>();
  const counter = ({ name }: MetricOptions) => ({
    add: (value = 1) => void counted.set(name, (counted.get(name) ?? 0) + value),
    observe: () => {},
    set: () => {},
    remove: () => {},
  });
  const metrics: Metrics = {
    counter,
    histogram: counter,
    gauge(options) {
      gauges.set(options.name, options);
      return counter(options);
    },
  };
  const store = createEventStore({
    transport,
    database,
    metrics,
    source: "/shop",
    limits: { outboxPollMs: 50, ...limits },
    configure: (registry) =>
      registry.subscribe(
        defineSubscriber("reports.count_sales", { handle: async (event: Sold) => void seen.push(event.data.item) }),
        { to: ItemSold },
      ),
  });
  return { store, seen, gauges, counted };
}

/** A transport that is away for a while, and remembers what it was given. */
function fickle(inner: Transport): Transport & { away: boolean; readonly given: string[] } {
  const given: string[] = [];
  const wrapped = Object.create(inner, {
    away: { value: false, writable: true },
    given: { value: given },
    open: { value: () => inner.open() },
    close: { value: () => inner.close() },
    consume: { value: inner.consume.bind(inner) },
    settle: { value: inner.settle.bind(inner) },
    extend: { value: inner.extend.bind(inner) },
    depth: { value: inner.depth.bind(inner) },
    unsettled: { value: inner.unsettled.bind(inner) },
    enqueue: {
      async value(deliveries: readonly Delivery[]) {
        if (wrapped.away) throw new EventStoreError("EVT_TRANSPORT_UNAVAILABLE");
        given.push(...deliveries.map(({ id }) => id));
        return inner.enqueue(deliveries);
      },
    },
  });
  return wrapped;
}

function describeOutbox(create: () => Promise<Place>): void {
  let place: Place;
  let database: Database;
  const shops: Shop[] = [];
  beforeEach(async () => {
    place = await create();
    database = await openDatabase(place.target);
    await migrate(database, [eventStoreMigrations]);
  });
  afterEach(async () => {
    for (const { store } of shops.splice(0)) await store.stop({ deadlineMs: 1_000 });
    await database.close();
    await place.destroy();
  });

  const openShop = (transport: Transport, limits: Partial<Limits> = {}): Shop => {
    const shop = createShop(database, transport, limits);
    shops.push(shop);
    return shop;
  };
  const sell = ({ store }: Shop, items: readonly number[], shelf?: string): Promise<void> =>
    database.transaction(async (transaction: Transaction<object>) => {
      for (const item of items)
        await store.publish(
          ItemSold.create(shelf === undefined ? { item } : { item, shelf }, shelf ? { key: shelf } : {}),
          {
            transaction,
          },
        );
    });
  const rows = async (where = "true"): Promise<number> => {
    const answer = await database.run(`select count(*) as count from event_outbox where ${where}`);
    return Number(answer.rows[0]?.["count"]);
  };
  const read = async ({ gauges }: Shop, name: string): Promise<number> => {
    let value = Number.NaN;
    const gauge: Gauge = {
      add: () => {},
      remove: () => {},
      set(next) {
        value = next;
      },
    };
    await gauges.get(`signalbox_event_store_${name}`)?.collect?.(gauge);
    return value;
  };

  test("ES-146 ES-151 a commit delivers once, a rollback never", async () => {
    const shop = openShop(createMemoryTransport());
    await shop.store.start();
    await sell(shop, [1, 2]);
    await expect(
      database.transaction(async (transaction: Transaction<object>) => {
        await shop.store.publish(ItemSold.create({ item: 3 }), { transaction });
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    await sell(shop, [4]);
    await expect.poll(() => shop.seen).toEqual([1, 2, 4]);
  });

  test("ES-149 a process that only publishes forwards as well", async () => {
    const transport = fickle(createMemoryTransport());
    const shop = openShop(transport);
    await sell(shop, [1]);
    await expect.poll(() => transport.given.length).toBe(1);
    await expect.poll(() => rows("state = 2")).toBe(1);
  });

  test("ES-149 several forwarders take each row once, more rows than a batch", async () => {
    const transport = fickle(createMemoryTransport());
    const [one, two] = [openShop(transport), openShop(transport)];
    await Promise.all([one.store.start(), two.store.start()]);
    const items = Array.from({ length: 600 }, (_, item) => item);
    await Promise.all(
      [sell(one, items.slice(0, 300)), sell(two, items.slice(300))].map((work) => work.catch(() => {})),
    );
    const all = (): number[] => [...one.seen, ...two.seen].toSorted((left, right) => left - right);
    await expect.poll(() => all().length).toBe(600);
    expect(all()).toEqual(items);
    expect(new Set(transport.given).size).toBe(transport.given.length);
  });

  test("ES-151 ES-496 rows wait in order while the transport is away, and the figures tell", async () => {
    const transport = fickle(createMemoryTransport());
    const shop = openShop(transport, { outboxMaxLagMs: 1_000 });
    await shop.store.start();
    transport.away = true;
    for (const item of [1, 2, 3]) await sell(shop, [item], "a");
    await expect.poll(() => read(shop, "outbox_pending")).toBe(3);
    await expect.poll(() => read(shop, "outbox_lag_seconds")).toBeGreaterThan(0.5);
    await expect
      .poll(() =>
        shop.store.checkOutbox().then(
          () => "ready",
          (error: { code: string; details: object }) => ({ code: error.code, ...error.details }),
        ),
      )
      .toMatchObject({ code: "EVT_TRANSPORT_UNAVAILABLE", pending: 3 });
    expect(shop.seen).toEqual([]);
    transport.away = false;
    await expect.poll(() => shop.seen).toEqual([1, 2, 3]);
    await expect.poll(() => read(shop, "outbox_pending")).toBe(0);
    expect(await read(shop, "outbox_lag_seconds")).toBe(0);
    expect(shop.counted.get("signalbox_event_store_outbox_forwarded_total")).toBe(3);
    await shop.store.checkOutbox();
  });

  test("ES-151 rows are deleted a minute after they were forwarded, and neither younger ones nor those that wait", async () => {
    const transport = fickle(createMemoryTransport());
    const shop = openShop(transport);
    await shop.store.start();
    await sell(shop, [1, 2]);
    await expect.poll(() => rows("state = 2")).toBe(2);
    transport.away = true;
    await sell(shop, [3]);
    const first = "seq = (select min(seq) from event_outbox)";
    await database.run(`update event_outbox set forwarded_at_ms = ? where ${first}`, [Date.now() - 60_001]);
    await database.run("update event_outbox set created_at_ms = ? where state < 2", [Date.now() - 3_600_000]);
    await expect.poll(() => rows("state = 2")).toBe(1);
    expect(await rows("state < 2")).toBe(1);
  });

  test("ES-151 a row that another forwarder has taken holds up its key, and nobody else's", async () => {
    const transport = fickle(createMemoryTransport());
    const shop = openShop(transport);
    transport.away = true;
    await sell(shop, [1], "a");
    await sell(shop, [2], "a");
    await sell(shop, [3], "b");
    await expect.poll(() => rows("state = 1")).toBe(3);
    // As if a forwarder elsewhere had the first one.
    await database.run(
      "update event_outbox set claim = 1, lease_until_ms = ? where seq = (select min(seq) from event_outbox)",
      [Date.now() + 5_000],
    );
    transport.away = false;
    await shop.store.start();
    await expect.poll(() => shop.seen).toEqual([3]);
    await expect.poll(() => shop.seen).toEqual([3, 1, 2]);
  });

  test("ES-151 what was forwarded long ago without a mark is not forwarded again while it waits, or once it was handled", async () => {
    const transport = fickle(createMemoryTransport({ repetitionWindowMs: 1 }));
    const shop = openShop(transport);
    transport.away = true;
    await sell(shop, [1, 2, 3]);
    await expect.poll(() => rows("state = 1")).toBe(3);
    await shop.store.stop();
    const answer = await database.run("select * from event_outbox order by seq");
    const deliveries = answer.rows.map(toDelivery);
    // A forwarder died after two of them were in the transport; the first was handled since.
    const left = createMemoryTransport({ repetitionWindowMs: 1 });
    const later = fickle(left);
    const second = openShop(later);
    await left.open();
    await left.enqueue(deliveries.slice(1, 2));
    await database.run("insert into event_dedup (lock_name, delivery_id, expires_at_ms) values (?, ?, ?)", [
      `outbox:${deliveries[0]?.id}`,
      `outbox:${deliveries[0]?.id}`,
      Date.now() + 60_000,
    ]);
    await database.run("update event_outbox set forwarding_at_ms = ?, lease_until_ms = 0", [Date.now() - 61_000]);
    await second.store.start();
    await expect.poll(() => second.seen.toSorted()).toEqual([2, 3]);
    await expect.poll(() => rows("state = 2")).toBe(3);
    expect(later.given).toEqual([deliveries[2]?.id]);
  });

  test("ES-145 a transaction on a database that has nothing to do with the store is refused", async () => {
    const elsewhere = await create();
    const other = await openDatabase(elsewhere.target);
    await migrate(other, [eventStoreMigrations]);
    const shop = openShop(createMemoryTransport());
    await expect(
      other.transaction((transaction: Transaction<object>) =>
        shop.store.publish(ItemSold.create({ item: 1 }), { transaction }),
      ),
    ).rejects.toMatchObject({ code: "EVT_TRANSACTION_FOREIGN" });
    expect(await rows()).toBe(0);
    await other.close();
    await elsewhere.destroy();
  });

  test("ES-153 afterCommit holds a publish until the commit, drops it on rollback, and needs no transaction", async () => {
    const shop = openShop(createMemoryTransport());
    await shop.store.start();
    await database.transaction(async () => {
      const event = ItemSold.create({ item: 1 });
      const receipt = await shop.store.publish(event, { afterCommit: true });
      expect(receipt).toEqual({ eventIds: [event.id], decisions: [] });
      await shop.store.publishGroup([ItemSold.create({ item: 2 })], { afterCommit: true });
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(shop.seen).toEqual([]);
    });
    await expect.poll(() => shop.seen.toSorted()).toEqual([1, 2]);
    await expect(
      database.transaction(async () => {
        await shop.store.publish(ItemSold.create({ item: 3 }), { afterCommit: true });
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    const receipt = await shop.store.publish(ItemSold.create({ item: 4 }), { afterCommit: true });
    expect(receipt.decisions).toHaveLength(1);
    await expect.poll(() => shop.seen.toSorted()).toEqual([1, 2, 4]);
    expect(await rows()).toBe(0);
  });
}

function toDelivery(row: Record<string, unknown>): Delivery {
  return {
    id: String(row["id"]),
    subscriber: String(row["subscriber"]),
    subscription: String(row["subscription"]),
    eventType: String(row["event_type"]),
    body: String(row["body"]),
    key: null,
    perKey: 1,
    dueAtMs: 0,
    maxPending: null,
    dedup: null,
    outbox: true,
  };
}
