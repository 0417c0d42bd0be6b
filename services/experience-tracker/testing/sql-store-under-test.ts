import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import type { StoreContractOptions } from "@signalbox/experience/testing";
import { createVirtualClock } from "@signalbox/kernel";
import { experienceMigrations } from "../migrations.js";
import { createSqlStore } from "../store/sql-store.js";

/** A store of its own for each call: a SQLite file, or what `newDatabaseUrl` gives. */
export function sqlStoreUnderTest(newDatabaseUrl?: () => Promise<string>): StoreContractOptions["create"] {
  return async ({ rules = {} }) => {
    const directory = mkdtempSync(join(tmpdir(), "experience-"));
    const url = await newDatabaseUrl?.();
    const databases: Database[] = [];
    const open = async (): Promise<Database> => {
      const database = await openDatabase({ url, path: join(directory, "test.db") });
      databases.push(database);
      return database;
    };
    const clock = createVirtualClock();
    const newStore = async () =>
      createSqlStore({ database: databases[0] ?? (await open()), clock, rules, serverClock: false });
    await migrate(await open(), [experienceMigrations]);
    const store = await newStore();
    return {
      store,
      clock,
      another: async () => createSqlStore({ database: await open(), clock, rules, serverClock: false }),
      async destroy() {
        await store.close();
        for (const database of databases) await database.close();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  };
}
