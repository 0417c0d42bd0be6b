import { migrate, openDatabase } from "@signalbox/database";
import { systemClock } from "@signalbox/kernel";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, test } from "vitest";
import { describeRelayEvents, expectOldTagsToBeFound } from "./contract.js";
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

  test("GR-060 GR-061 events of an earlier version are found by tag and kind", async () => {
    const database = await openDatabase({ url: await server.createDatabase() });
    await expectOldTagsToBeFound(database, () => createSqlRelayEvents({ database, clock: systemClock }));
    await database.close();
  });
});
