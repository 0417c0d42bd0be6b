import type { Clock, Logger, Metrics } from "@signalbox/kernel";
import type { Database } from "./database.js";
import { openSqlite } from "./sqlite.js";

export interface OpenDatabaseOptions {
  /** `postgres://…`; absent: the SQLite file at `path`. */
  readonly url?: string | undefined;
  /** Where the SQLite file is, or will be. */
  readonly path?: string | undefined;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
}

/** Opens PostgreSQL when there is a URL, else SQLite. */
export async function openDatabase({ url, path, ...shared }: OpenDatabaseOptions): Promise<Database> {
  if (url !== undefined) {
    // Its client, megabytes of it, is loaded where there is such a server.
    const { openPostgres } = await import("./postgres.js");
    return openPostgres({ ...shared, url });
  }
  if (path === undefined) throw new TypeError("openDatabase needs a url or a path");
  return openSqlite({ ...shared, path });
}
