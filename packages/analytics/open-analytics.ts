import type { Analytics } from "./analytics.js";
import { openChdb } from "./chdb.js";
import { openClickHouse } from "./clickhouse.js";
import type { AnalyticsDependencies } from "./client-analytics.js";

export interface OpenAnalyticsOptions extends AnalyticsDependencies {
  /** A ClickHouse server; absent: chDB in `path`. */
  readonly url?: string | undefined;
  /** Data directory of chDB, used when there is no `url`. */
  readonly path?: string | undefined;
}

/** Opens the engine that the options name. See `openChdb` and `openClickHouse` for what each refuses. */
export async function openAnalytics({ url, path, ...dependencies }: OpenAnalyticsOptions): Promise<Analytics> {
  if (url !== undefined) return openClickHouse({ url, ...dependencies });
  if (path !== undefined) return openChdb({ path, ...dependencies });
  throw new TypeError("openAnalytics needs a url or a path");
}
