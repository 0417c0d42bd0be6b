import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import { relayMigrations } from "../store/migrations.js";
import { describePeerTables } from "./contract.js";

describePeerTables({
  name: "SQLite",
  async create() {
    const directory = mkdtempSync(join(tmpdir(), "relay-peers-"));
    const database = await openDatabase({ path: join(directory, "relay.db") });
    await migrate(database, [relayMigrations]);
    return {
      database,
      async destroy() {
        await database.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
});
