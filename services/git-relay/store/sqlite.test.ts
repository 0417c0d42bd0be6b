import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import { systemClock } from "@signalbox/kernel";
import { test } from "vitest";
import { describeRelayEvents, expectOldTagsToBeFound } from "./contract.js";
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

test("GR-060 GR-061 events of an earlier version are found by tag and kind", async () => {
  const directory = mkdtempSync(join(tmpdir(), "relay-events-"));
  const database = await openDatabase({ path: join(directory, "relay.db") });
  await expectOldTagsToBeFound(database, () => createSqlRelayEvents({ database, clock: systemClock }));
  await database.close();
  rmSync(directory, { recursive: true });
});
