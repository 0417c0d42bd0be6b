import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import type { ExperienceStore } from "@signalbox/experience";
import { createSqlStore, experienceMigrations } from "@signalbox/experience-tracker";
import { createRedisStore } from "@signalbox/experience-tracker/redis-store";
import { startRedis } from "@signalbox/testing/servers";

/** An empty store on a new SQLite file, while `work` runs. */
export async function withSqliteStore<T>(work: (store: ExperienceStore) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const database = await openDatabase({ path: join(directory, "bench.sqlite") });
  const store = createSqlStore({ database });
  try {
    await migrate(database, [experienceMigrations]);
    return await work(store);
  } finally {
    await store.close();
    await database.close();
    await rm(directory, { recursive: true });
  }
}

/** An empty store on a Redis of its own (AOF, always), while `work` runs. */
export async function withRedisStore<T>(work: (store: ExperienceStore, url: string) => Promise<T>): Promise<T> {
  const server = await startRedis();
  const store = createRedisStore({ url: server.url });
  try {
    await store.open();
    return await work(store, server.url);
  } finally {
    await store.close();
    await server.stop();
  }
}
