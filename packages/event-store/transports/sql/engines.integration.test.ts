import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { type Clock, type Logger, silentLogger, systemClock } from "@signalbox/kernel";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Delivery, Lease, Transport } from "../transport.js";
import { eventStoreMigrations } from "./migrations.js";
import { createSqlTransport, type SqlTransportOptions } from "./transport.js";

/** So long that nothing in a test happens because of it. */
const neverMs = 3_600_000;
const patient = { timeout: 30_000, interval: 10 };

interface Place {
  open(): Promise<Database>;
  destroy(): void;
}

describe("SQLite", () => {
  describeEngine(async () => {
    const directory = mkdtempSync(join(tmpdir(), "sql-transport-"));
    return {
      open: () => openDatabase({ path: join(directory, "events.db") }),
      destroy: () => rmSync(directory, { recursive: true }),
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
  describeEngine(async () => {
    const url = await server.createDatabase();
    return { open: () => openDatabase({ url }), destroy: () => {} };
  });
});

function describeEngine(create: () => Promise<Place>): void {
  let place: Place;
  const databases: Database[] = [];
  const transports: Transport[] = [];
  let deliveries = 0;

  const openPlace = async (): Promise<Database> => {
    const database = await place.open();
    databases.push(database);
    return database;
  };
  const openTransport = async (options: SqlTransportOptions): Promise<Transport> => {
    const transport = createSqlTransport(options);
    await transport.open();
    transports.push(transport);
    return transport;
  };
  const delivery = (overrides: Partial<Delivery> = {}): Delivery => ({
    id: `event-${++deliveries}.lab.listen/lab.rang`,
    subscriber: "lab.listen",
    subscription: "lab.listen/lab.rang",
    eventType: "lab.rang",
    body: "{}",
    key: null,
    perKey: 1,
    dueAtMs: 0,
    maxPending: null,
    dedup: null,
    ...overrides,
  });
  const consume = (transport: Transport, onBatch: (leases: readonly Lease[]) => void): void => {
    const spec = { subscriber: "lab.listen", maxInFlight: 1_000, leaseMs: 60_000, maxTotal: null, perKey: 1 };
    const idle = { rateLimit: null, capacity: () => 1_000, limited: () => {}, hurry: () => {} };
    transport.consume({ ...spec, ...idle }, onBatch);
  };
  const rowsOf = async (database: Database): Promise<number> => {
    const { rows } = await database.run("select count(*) as count from event_deliveries");
    return Number(rows[0]?.["count"]);
  };

  let database: Database;
  beforeEach(async () => {
    place = await create();
    database = await openPlace();
    await migrate(database, [eventStoreMigrations]);
  });
  afterEach(async () => {
    for (const transport of transports.splice(0)) await transport.close();
    for (const one of databases.splice(0)) await one.close();
    place.destroy();
  });

  describe("a clock that somebody sets", () => {
    let offsetMs = 0;
    const clock: Clock = {
      nowMs: () => systemClock.nowMs() + offsetMs,
      monotonicMs: () => systemClock.monotonicMs(),
      setTimer: (...args) => systemClock.setTimer(...args),
      sleep: (...args) => systemClock.sleep(...args),
    };
    const hourMs = 3_600_000;
    beforeEach(() => {
      offsetMs = 0;
    });
    const availableAt = async (): Promise<readonly number[]> => {
      const { rows } = await database.run(
        "select available_at_ms as at from event_deliveries where state < 3 order by seq",
      );
      return rows.map((row) => Number(row["at"]));
    };

    test("ES-221 set back: what was due is handled at once, a retry keeps its delay, a planned time stays", async () => {
      const { warnings, logger } = recordWarnings();
      const transport = await openTransport({ database, clock, logger, pollMs: 10 });
      const taken: Lease[] = [];
      const spec = { subscriber: "lab.listen", maxInFlight: 1_000, leaseMs: 60_000, maxTotal: null, perKey: 1 };
      let capacity = 1;
      const consumer = { ...spec, rateLimit: null, capacity: () => capacity, limited: () => {}, hurry: () => {} };
      transport.consume(consumer, (leases) => {
        capacity -= leases.length;
        taken.push(...leases);
      });
      await transport.enqueue([delivery({ dueAtMs: clock.nowMs() })]);
      await expect.poll(() => taken.length, patient).toBe(1);
      const plannedMs = clock.nowMs() + 2 * hourMs;
      await transport.enqueue([delivery({ dueAtMs: clock.nowMs() }), delivery({ dueAtMs: plannedMs })]);
      // As a retry in ten minutes leaves it.
      await transport.enqueue([delivery({ dueAtMs: clock.nowMs() + 600_000 })]);
      await database.run(
        "update event_deliveries set attempts = 1 where seq = (select max(seq) from event_deliveries)",
      );

      offsetMs = -hourMs;
      await expect.poll(() => warnings, patient).toEqual(["the clock was set"]);
      await expect.poll(async () => (await availableAt())[0], patient).toBeLessThanOrEqual(clock.nowMs() + 60_000);
      const [running = 0, due = 0, planned, retry = 0] = await availableAt();
      expect(running).toBeGreaterThan(clock.nowMs() - hourMs / 2);
      expect(due).toBeLessThanOrEqual(clock.nowMs());
      expect(planned).toBe(plannedMs);
      expect(retry).toBeLessThanOrEqual(clock.nowMs() + 600_000);
      capacity = 1_000;
      await transport.settle(taken.splice(0).map((lease) => ({ lease, settlement: { kind: "done" } })));
      await transport.enqueue([delivery({ dueAtMs: clock.nowMs() })]);
      await expect.poll(() => taken.length, patient).toBe(2);
    });

    test("ES-221 set forward: whoever lives keeps its leases and is not taken for crashed", async () => {
      const { warnings, logger } = recordWarnings();
      const transport = await openTransport({ database, clock, logger, pollMs: 10 });
      const taken: Lease[] = [];
      consume(transport, (leases) => void taken.push(...leases));
      await transport.enqueue([delivery({ dueAtMs: clock.nowMs() })]);
      await expect.poll(() => taken.length, patient).toBe(1);
      offsetMs = hourMs;
      await expect.poll(() => warnings, patient).toEqual(["the clock was set"]);
      // Looks that would have taken the lease away.
      for (let look = 0; look < 5; look += 1) await clock.sleep(20);
      expect(await transport.extend(taken)).toEqual(["extended"]);
      expect(taken).toHaveLength(1);
      expect((await database.run("select crashes from event_deliveries")).rows).toEqual([{ crashes: 0 }]);
    });
  });

  test("ES-221 one set of migrations makes its tables", async () => {
    for (const table of ["deliveries", "outbox", "dead_letters", "inbox", "dedup"])
      await expect(database.run(`select count(*) as count from event_${table}`)).resolves.toBeDefined();
  });

  test("ES-221 publishes at the same time are written together, 256 deliveries at most", async () => {
    const written: number[] = [];
    const counting = new Proxy(database, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "batch") return value.bind(target);
        return (statements: readonly { readonly sql: string }[], ...rest: readonly unknown[]) => {
          if (statements.some(({ sql }) => sql.startsWith("insert into event_deliveries"))) written.push(1);
          return Reflect.apply(value, target, [statements, ...rest]);
        };
      },
    });
    const transport = await openTransport({ database: counting, pollMs: neverMs });
    const results = await Promise.all(Array.from({ length: 600 }, () => transport.enqueue([delivery()])));
    expect(new Set(results.flat())).toEqual(new Set(["enqueued"]));
    expect(await rowsOf(database)).toBe(600);
    expect(written).toHaveLength(3);
  });

  test("ES-221 what the database refuses of one publish does not fail those that are written with it", async () => {
    const transport = await openTransport({ database, pollMs: neverMs });
    // No transport is given such a delivery; the column is declared `not null`.
    const broken = delivery({ eventType: null as unknown as string });
    const good = [delivery(), delivery(), delivery()];
    const [first, refused, second] = await Promise.allSettled([
      transport.enqueue(good.slice(0, 1)),
      transport.enqueue([broken]),
      transport.enqueue(good.slice(1)),
    ]);
    expect(first).toEqual({ status: "fulfilled", value: ["enqueued"] });
    expect(second).toEqual({ status: "fulfilled", value: ["enqueued", "enqueued"] });
    expect(refused?.status).toBe("rejected");
    expect(await rowsOf(database)).toBe(3);
  });

  test("ES-221 consumers of this process are woken, without polling", async () => {
    const transport = await openTransport({ database, pollMs: neverMs });
    const held: Lease[] = [];
    consume(transport, (leases) => void held.push(...leases));
    await transport.enqueue([delivery()]);
    await expect.poll(() => held.length, patient).toBe(1);
  });

  test("ES-221 consumers of another process hear of a delivery: by notification on PostgreSQL, by polling on SQLite", async () => {
    const other = await openPlace();
    const pollMs = database.engine === "postgres" ? neverMs : 100;
    const consumer = await openTransport({ database: other, pollMs });
    const held: Lease[] = [];
    consume(consumer, (leases) => void held.push(...leases));
    const publisher = await openTransport({ database, pollMs: neverMs });
    await publisher.enqueue([delivery()]);
    await expect.poll(() => held.length, patient).toBe(1);
  });

  test("ES-221 a row that another transaction has locked holds up nobody", async () => {
    const transport = await openTransport({ database, pollMs: 100 });
    // SQLite has one writer, whose transactions hold up each other and no more than that.
    if (database.engine === "sqlite") return;
    const locked = delivery();
    await transport.enqueue([locked, delivery(), delivery()]);
    const held: Lease[] = [];
    await database.transaction(async (transaction) => {
      await database.run("select seq from event_deliveries where id = ? for update", [locked.id], transaction);
      consume(transport, (leases) => void held.push(...leases));
      await expect.poll(() => held.length, patient).toBe(2);
    });
    await expect.poll(() => held.map(({ deliveryId }) => deliveryId), patient).toContain(locked.id);
  });

  test("ES-221 rows of settled deliveries are deleted after the repetition window, and no others", async () => {
    const transport = await openTransport({ database, pollMs: 100, repetitionWindowMs: 300 });
    const settled = Array.from({ length: 700 }, () => delivery());
    const waiting = delivery({ dueAtMs: Date.now() + neverMs });
    consume(transport, (leases) => {
      void transport.settle(leases.map((lease) => ({ lease, settlement: { kind: "done" } })));
    });
    await transport.enqueue([...settled, waiting]);
    await expect.poll(() => rowsOf(database), patient).toBe(1);
    expect(await transport.unsettled([waiting.id])).toEqual([waiting.id]);
  });
}

function recordWarnings(): { readonly warnings: string[]; readonly logger: Logger } {
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message), child: () => logger };
  return { warnings, logger };
}
