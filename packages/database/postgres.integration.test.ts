import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe } from "vitest";
import { describeDatabase } from "./contract.js";
import { openPostgres } from "./postgres.js";

const needed = requireServers(["postgres"]);

describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  describeDatabase({
    name: "PostgreSQL",
    async create() {
      const url = await server.createDatabase();
      const open = () => openPostgres({ url });
      const database = await open();
      return { database, openAnother: open, destroy: () => database.close() };
    },
  });
});
