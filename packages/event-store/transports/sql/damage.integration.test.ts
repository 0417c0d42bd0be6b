import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openDatabase } from "@signalbox/database";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { openTransport } from "@signalbox/testing/transports";
import { afterAll, beforeAll, describe, test } from "vitest";
import { type DamageableEngine, describeDamagedDeliveries } from "../damage-contract.js";

/** Writes into the table behind the back of the transport. */
function damaging(database: Database): Pick<DamageableEngine, "damageBody" | "wrappings"> {
  const write = (column: string, value: string) => async (id: string) => {
    await database.run(`update event_deliveries set ${column} = ? where id = ?`, [value, id]);
  };
  return {
    damageBody: (id, body) => write("body", body)(id),
    wrappings: {
      "a history that is no JSON": write("progress", "no JSON"),
      "a history of another kind": write("progress", '{"a":7}'),
      "a history that is a list": write("progress", "[null]"),
      "a history without attempts": write("progress", "null"),
    },
  };
}

describeDamagedDeliveries({
  name: "SQL on SQLite",
  runner: { describe, test },
  async create() {
    const directory = mkdtempSync(join(tmpdir(), "damaged-"));
    const databasePath = join(directory, "events.db");
    const database = await openDatabase({ path: databasePath });
    return {
      open: () => openTransport({ kind: "sql", databasePath }),
      ...damaging(database),
      async destroy() {
        await database.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
});

const needed = requireServers(["postgres"]);
describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  describeDamagedDeliveries({
    name: "SQL on PostgreSQL",
    runner: { describe, test },
    async create() {
      const databaseUrl = await server.createDatabase();
      const database = await openDatabase({ url: databaseUrl });
      return {
        open: () => openTransport({ kind: "sql", databaseUrl }),
        ...damaging(database),
        destroy: () => database.close(),
      };
    },
  });
});
