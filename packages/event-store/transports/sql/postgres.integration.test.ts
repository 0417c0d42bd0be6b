import { migrate, openDatabase } from "@signalbox/database";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, test } from "vitest";
import { describeTransport } from "../contract.js";
import { eventStoreMigrations } from "./migrations.js";
import { createSqlTransport } from "./transport.js";

const needed = requireServers(["postgres"]);

describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  describeTransport({
    name: "SQL on PostgreSQL",
    runner: { describe, test, afterAll },
    async create(clock) {
      const url = await server.createDatabase();
      const database = await openDatabase({ url });
      await migrate(database, [eventStoreMigrations]);
      const second = await openDatabase({ url });
      const transport = createSqlTransport({ database, clock });
      return {
        transport,
        another: () => createSqlTransport({ database: second, clock }),
        async destroy() {
          await transport.close();
          await database.close();
          await second.close();
        },
      };
    },
  });
});
