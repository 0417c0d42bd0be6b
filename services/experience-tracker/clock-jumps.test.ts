import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import { createMemoryStore } from "@signalbox/experience";
import { experienceMigrations } from "./migrations.js";
import { createSqlStore } from "./store/sql-store.js";
import { describeClockJumps } from "./testing/clock-jumps.js";

describeClockJumps("in memory", async (clock) => {
  const store = createMemoryStore({ clock });
  return { store, destroy: () => store.close() };
});

describeClockJumps("on SQLite", async (clock) => {
  const directory = mkdtempSync(join(tmpdir(), "experience-"));
  const database = await openDatabase({ path: join(directory, "test.db") });
  await migrate(database, [experienceMigrations]);
  const store = createSqlStore({ database, clock });
  return {
    store,
    async destroy() {
      await store.close();
      await database.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
});
