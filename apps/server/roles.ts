import type { ServerConfig } from "./config.js";

/** Parts of the server that can run alone. */
export const roles = ["ingest", "worker", "tracker", "relay", "dashboard"] as const;

export type Role = (typeof roles)[number];

export function isRole(text: string): text is Role {
  return roles.some((role) => role === text);
}

/** What each role keeps its data in. The dashboard's API reads everything; the edge never waits for the analytics. */
export const storesOf = {
  ingest: ["database", "transport", "blobs"],
  worker: ["database", "transport", "blobs", "analytics"],
  tracker: ["database", "transport", "blobs", "analytics"],
  relay: ["database", "transport", "blobs"],
  dashboard: ["database", "transport", "blobs", "analytics"],
} as const satisfies Readonly<Record<Role, readonly StoreName[]>>;

export type StoreName = "database" | "transport" | "analytics" | "blobs";

export function needsStore(running: ReadonlySet<Role>, store: StoreName): boolean {
  for (const role of running) {
    const stores: readonly StoreName[] = storesOf[role];
    if (stores.includes(store)) return true;
  }
  return false;
}

/**
 * Whether the process has an analytics engine. Where no role needs one, a server is used all the same for the history of
 * what is published; the one inside the process belongs to the process that needs it.
 */
export function hasAnalytics(
  running: ReadonlySet<Role>,
  { clickhouseUrl }: Pick<ServerConfig, "clickhouseUrl">,
): boolean {
  return needsStore(running, "analytics") || clickhouseUrl !== undefined;
}
