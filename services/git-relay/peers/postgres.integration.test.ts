import { migrate, openDatabase } from "@signalbox/database";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe } from "vitest";
import { relayMigrations } from "../store/migrations.js";
import { describePeerTables } from "./contract.js";

const needed = requireServers(["postgres"]);

describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  describePeerTables({
    name: "PostgreSQL",
    async create() {
      const database = await openDatabase({ url: await server.createDatabase() });
      await migrate(database, [relayMigrations]);
      return { database, destroy: () => database.close() };
    },
  });
});
