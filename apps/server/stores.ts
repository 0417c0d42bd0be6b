import { type Database, migrate, openDatabase } from "@signalbox/database";
import { type Clock, type Logger, type Metrics, noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import type { ServerConfig } from "./config.js";
import { directoryHolder, makeDataDirectory, requireRights } from "./data-directory.js";
import { dataPaths } from "./data-paths.js";
import { databaseMigrations } from "./migrations.js";

export interface StoreContext {
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
}

/** The relational database, not migrated. Several processes may have it open at once. */
export async function openServerDatabase(config: ServerConfig, context: StoreContext = {}): Promise<Database> {
  const paths = dataPaths(config);
  if (config.databaseUrl === undefined) {
    makeDataDirectory(paths.directory);
    requireRights(paths.database);
  }
  return openDatabase({
    url: config.databaseUrl?.reveal(),
    path: paths.database,
    logger: context.logger ?? silentLogger,
    metrics: context.metrics ?? noMetrics,
    clock: context.clock ?? systemClock,
  });
}

/** For commands: the migrated database while `work` runs. Safe beside a running server. */
export async function withDatabase<T>(config: ServerConfig, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await openServerDatabase(config);
  try {
    await migrate(database, databaseMigrations);
    return await work(database);
  } finally {
    await database.close();
  }
}

/** For commands: the address under which clients reach the server, where the running one listens by its own account. */
export function publicUrl(config: ServerConfig): string {
  const holder = directoryHolder(dataPaths(config).directory, systemClock);
  return config.publicUrl?.replace(/\/+$/, "") ?? holder?.url ?? urlOf(config.listen);
}

/** @param address a host that stands for every address of this machine is reached as localhost */
export function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}
