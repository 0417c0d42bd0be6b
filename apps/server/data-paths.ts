import { join, resolve } from "node:path";
import type { ServerConfig } from "./config.js";

/** Where everything lies in the data directory. */
export interface DataPaths {
  readonly directory: string;
  readonly database: string;
  readonly analytics: string;
  readonly blobs: string;
}

export function dataPaths(config: ServerConfig): DataPaths {
  const directory = resolve(config.dataDir);
  return {
    directory,
    database: join(directory, "signalbox.db"),
    analytics: join(directory, "analytics"),
    blobs: join(directory, "blobs"),
  };
}
