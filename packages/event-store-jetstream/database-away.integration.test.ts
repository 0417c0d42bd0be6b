import { type Database, migrate, openDatabase } from "@signalbox/database";
import { type Delivery, eventStoreMigrations, type Transport } from "@signalbox/event-store";
import { createVirtualClock, noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import {
  type PostgresServer,
  requireServers,
  startNats,
  startPostgres,
  type TestServer,
} from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createJetStreamTransport, jetStreamMigrations } from "./index.js";

const needed = requireServers(["nats-server", "postgres"]);
describe.skipIf(needed.skip)(needed.title("while the database is away"), () => {
  let nats: TestServer;
  let postgres: PostgresServer;
  let database: Database;
  let transport: Transport;
  const clock = createVirtualClock(Date.now());
  beforeAll(async () => {
    nats = await startNats();
    postgres = await startPostgres();
    const url = await postgres.createDatabase();
    database = await openDatabase({ url, logger: silentLogger, metrics: noMetrics, clock: systemClock });
    await migrate(database, [eventStoreMigrations, jetStreamMigrations]);
    transport = createJetStreamTransport({ servers: nats.url, database, maxBytes: 1_073_741_824, clock });
    await transport.open();
  });
  afterAll(async () => {
    await transport?.close();
    await database?.close();
    await postgres?.stop();
    await nats?.stop();
  });

  test("deliveries of a bounded subscription are taken, and no more of them than there may be", async () => {
    const enqueue = async (id: string) => {
      // Figures of before are too old.
      await clock.advanceBy(1000);
      return transport.enqueue([delivery(id)]);
    };
    expect(await enqueue("first")).toEqual(["enqueued"]);
    await postgres.kill();
    expect(await enqueue("second")).toEqual(["enqueued"]);
    expect(await enqueue("third")).toEqual(["enqueued"]);
    await postgres.restart();
    await expect.poll(() => enqueue("fourth").catch(() => "away"), { timeout: 30_000 }).toEqual(["full"]);
  });
});

function delivery(id: string): Delivery {
  const subscription = "lab.listen/lab.bell_rung";
  return {
    id: `${id}.${subscription}`,
    subscriber: "lab.listen",
    subscription,
    eventType: "lab.bell_rung",
    body: "{}",
    key: null,
    perKey: 1,
    dueAtMs: 0,
    maxPending: { count: 3 },
    dedup: null,
  };
}
