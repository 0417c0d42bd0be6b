import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { eventStoreMigrations } from "@signalbox/event-store";

/** A new SQLite file with the tables of the event store (synchronous=FULL), while `work` runs. */
export async function withSqlite<T>(work: (database: Database, directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const database = await openDatabase({ path: join(directory, "bench.sqlite") });
  try {
    await migrate(database, [eventStoreMigrations]);
    return await work(database, directory);
  } finally {
    await database.close();
    await rm(directory, { recursive: true });
  }
}
