import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import { systemClock } from "@signalbox/kernel";
import { describeRelayEvents } from "./contract.js";
import { relayMigrations } from "./migrations.js";
import { createSqlRelayEvents } from "./sql.js";

describeRelayEvents({
  name: "SQLite",
  async create() {
    const directory = mkdtempSync(join(tmpdir(), "relay-events-"));
    const database = await openDatabase({ path: join(directory, "relay.db") });
    await migrate(database, [relayMigrations]);
    return {
      events: createSqlRelayEvents({ database, clock: systemClock }),
      database,
      async destroy() {
        await database.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
});
