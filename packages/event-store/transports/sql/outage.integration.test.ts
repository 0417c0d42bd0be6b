import { openLine, type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { openTransport } from "@signalbox/testing/transports";
import { afterAll, beforeAll, describe, test } from "vitest";
import { describeTransportOutages } from "../outage-contract.js";

const needed = requireServers(["postgres"]);
describe.skipIf(needed.skip)(needed.title("outages"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  describeTransportOutages({
    name: "PostgreSQL",
    runner: { describe, test },
    async create() {
      const line = await openLine(server.port);
      const url = new URL(await server.createDatabase());
      url.port = String(line.port);
      return {
        open: () => openTransport({ kind: "sql", databaseUrl: url.href }),
        kill: () => server.kill(),
        restart: () => server.restart(),
        hang: (on) => line.hang(on),
        destroy: async () => line.close(),
      };
    },
  });
});
