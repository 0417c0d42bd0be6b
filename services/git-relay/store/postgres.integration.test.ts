import { migrate, openDatabase } from "@signalbox/database";
import { systemClock } from "@signalbox/kernel";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe } from "vitest";
import { describeRelayEvents } from "./contract.js";
import { relayMigrations } from "./migrations.js";
import { createSqlRelayEvents } from "./sql.js";

const needed = requireServers(["postgres"]);

describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  describeRelayEvents({
    name: "PostgreSQL",
    async create() {
      const database = await openDatabase({ url: await server.createDatabase() });
      await migrate(database, [relayMigrations]);
      return {
        events: createSqlRelayEvents({ database, clock: systemClock }),
        database,
        destroy: () => database.close(),
      };
    },
  });
});
