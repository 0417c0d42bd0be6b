import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openSqlite } from "@signalbox/database";
import { eventStoreMigrations } from "@signalbox/event-store";
import { describeTransport } from "@signalbox/event-store/testing";
import { requireServers, startNats, type TestServer } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, test } from "vitest";
import { jetStreamMigrations } from "./migrations.js";
import { createJetStreamTransport } from "./transport.js";

const needed = requireServers(["nats-server"]);

describe.skipIf(needed.skip)(needed.title("JetStream"), () => {
  let server: TestServer;
  let stores = 0;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.stop());

  describeTransport({
    name: "JetStream",
    runner: { describe, test, afterAll },
    cannot: ["key-isolation-exact", "retries-follow-clock"],
    async create(clock) {
      const directory = await mkdtemp(join(tmpdir(), "event-store-"));
      const path = join(directory, "events.db");
      const database = await openSqlite({ path });
      await migrate(database, [eventStoreMigrations, jetStreamMigrations]);
      const second = await openSqlite({ path });
      const names = { stream: `CONTRACT_${++stores}`, root: `contract${stores}` };
      const on = (own: Database) =>
        createJetStreamTransport({ servers: server.url, database: own, names, maxBytes: 1_073_741_824, clock });
      const transport = on(database);
      return {
        transport,
        another: () => on(second),
        async destroy() {
          await transport.close();
          await database.close();
          await second.close();
          await rm(directory, { recursive: true, force: true });
        },
      };
    },
  });
});
