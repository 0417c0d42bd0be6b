import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { type Database, migrate, openSqlite } from "@signalbox/database";
import {
  createEventStore,
  createSqlTransport,
  type Delivery,
  eventStoreMigrations,
  type Lease,
  type Transport,
} from "@signalbox/event-store";
import { requireServers, startNats, type TestServer } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { jetStreamMigrations } from "./migrations.js";
import { createJetStreamTransport, type JetStreamTransportOptions } from "./transport.js";

const needed = requireServers(["nats-server"]);

describe.skipIf(needed.skip)(needed.title("JetStream and its stream"), () => {
  let server: TestServer;
  let directory: string;
  let database: Database;
  let count = 0;
  let root: string;
  const opened: Transport[] = [];
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "jetstream-stream-"));
    database = await openSqlite({ path: join(directory, "events.db") });
    await migrate(database, [eventStoreMigrations, jetStreamMigrations]);
    root = `stream${++count}`;
  });
  afterEach(async () => {
    for (const transport of opened.splice(0)) await transport.close();
    await database.close();
    rmSync(directory, { recursive: true });
  });

  const create = (options: Partial<JetStreamTransportOptions> = {}) => {
    const names = { stream: root.toUpperCase(), root };
    const transport = createJetStreamTransport({
      servers: server.url,
      database,
      names,
      maxBytes: 67_108_864,
      ...options,
    });
    opened.push(transport);
    return transport;
  };
  const take = (transport: Transport, leases: Lease[], settle = true) =>
    transport.consume(
      {
        subscriber: "lab.listen",
        maxInFlight: 100,
        leaseMs: 10_000,
        maxTotal: null,
        perKey: 1,
        rateLimit: null,
        capacity: () => 100,
        limited: () => {},
        hurry: () => {},
      },
      (batch) => {
        leases.push(...batch);
        if (settle) void transport.settle(batch.map((lease) => ({ lease, settlement: { kind: "done" } })));
      },
    );

  test("ES-223 the stream is a work queue on files that refuses what is too much", async () => {
    await create({ maxBytes: 1_048_576, repetitionWindowMs: 60_000 }).open();
    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    const { config } = await manager.streams.info(root.toUpperCase());
    expect(config).toMatchObject({
      retention: "workqueue",
      storage: "file",
      discard: "new",
      max_bytes: 1_048_576,
      duplicate_window: 60_000_000_000,
      subjects: [`${root}.deliver.>`],
    });
    await create({ maxBytes: 2_097_152 }).open();
    expect((await manager.streams.info(root.toUpperCase())).config).toMatchObject({
      max_bytes: 2_097_152,
      duplicate_window: 120_000_000_000,
    });
    await connection.close();
  });

  test("ES-210 a full stream refuses more as worth repeating, and gives up nothing for it", async () => {
    const transport = create({ maxBytes: 1_048_576 });
    await transport.open();
    const deliveries = Array.from({ length: 20 }, (_, index) => delivery(index, { body: "x".repeat(100_000) }));
    let accepted = 0;
    for (const one of deliveries) {
      const outcome = await transport.enqueue([one]).then(
        () => "enqueued",
        (error: { code: string; retryable: boolean }) => `${error.code} ${error.retryable}`,
      );
      if (outcome === "enqueued") accepted++;
      else expect(outcome).toBe("EVT_TRANSPORT_FULL true");
    }
    expect(accepted).toBeGreaterThan(5);
    expect(accepted).toBeLessThan(11);
    expect((await transport.depth("lab.listen")).ready).toBe(accepted);
    const leases: Lease[] = [];
    take(transport, leases);
    await expect.poll(() => leases.length).toBe(accepted);
    await expect.poll(async () => (await transport.depth("lab.listen")).running).toBe(0);
    expect(await transport.enqueue(deliveries.slice(-1))).toEqual(["enqueued"]);
  });

  test("ES-033 a body above the server's max_payload is carried as well, and leaves nothing behind", async () => {
    const transport = create();
    await transport.open();
    const body = JSON.stringify(Array.from({ length: 30 }, (_, index) => ({ index, text: "ü".repeat(50_000) })));
    await transport.enqueue([delivery(1, { body }), delivery(2, { body, key: "k" })]);
    const leases: Lease[] = [];
    take(transport, leases);
    await expect.poll(() => leases.length).toBe(2);
    expect(leases.every((lease) => lease.body === body)).toBe(true);
    await expect
      .poll(async () => (await database.run("select message_id from event_jetstream_notes")).rows)
      .toEqual([]);
  });

  test("ES-520 the number of partitions cannot change while deliveries wait", async () => {
    const transport = create();
    await transport.open();
    await transport.enqueue([delivery(1, { key: "k" })]);
    await expect(create({ partitions: 8 }).open()).rejects.toMatchObject({
      code: "EVT_CONFIG_INVALID",
      details: { option: "partitions" },
    });
    await transport.remove({ subscriber: "lab.listen" });
    await create({ partitions: 8 }).open();
  });

  test("ES-223 a stream of the same name that is something else is refused", async () => {
    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({
      name: root.toUpperCase(),
      subjects: [`${root}.deliver.>`],
      retention: RetentionPolicy.Limits,
    });
    await connection.close();
    await expect(create().open()).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNSUPPORTED" });
  });

  test("ES-226 a store on JetStream needs a database of its own", () => {
    const configure = (): void => {};
    expect(() => createEventStore({ transport: create(), source: "/lab", configure })).toThrowError(
      expect.objectContaining({ code: "EVT_CONFIG_INVALID", details: { option: "database" } }),
    );
  });

  test("ES-206 what a store on SQL left waiting in the database is moved into the stream", async () => {
    const sql = createSqlTransport({ database });
    await sql.open();
    await sql.enqueue([delivery(1), delivery(2, { dueAtMs: Date.now() + 300 })]);
    await sql.close();
    const transport = create();
    await transport.open();
    const leases: Lease[] = [];
    take(transport, leases);
    await expect.poll(() => leases.map(({ deliveryId }) => deliveryId)).toEqual([delivery(1).id, delivery(2).id]);
    expect(leases.map(({ body }) => body)).toEqual([delivery(1).body, delivery(2).body]);
  });

  test("ES-210 a transport whose server is away cannot be opened, and can be once it is there", async () => {
    const transport = create({ connection: { timeout: 500 } });
    await server.kill();
    await expect(transport.open()).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNAVAILABLE", retryable: true });
    await server.restart();
    await transport.open();
    await transport.ping();
    expect(await transport.enqueue([delivery(1)])).toEqual(["enqueued"]);
  });
});

function delivery(number: number, overrides: Partial<Delivery> = {}): Delivery {
  const subscription = "lab.listen/lab.bell_rung";
  return {
    id: `event-${number}.${subscription}`,
    subscriber: "lab.listen",
    subscription,
    eventType: "lab.bell_rung",
    body: JSON.stringify({ number }),
    key: null,
    perKey: 1,
    dueAtMs: 0,
    maxPending: null,
    dedup: null,
    ...overrides,
  };
}
