import type { Database, TransactionHandle } from "@signalbox/database";
import { settleNextReleases } from "./move-issues.js";
import { insertReleases, type ReleaseKey } from "./releases.js";

/**
 * Makes releases that do not exist yet, where no event names them: somebody does, or a session. Issues that wait for the
 * next release have waited for these, too. The projects must be locked. Returns the new ones.
 */
export async function makeReleases(
  database: Database,
  releases: readonly (ReleaseKey & { readonly createdAtMs: number })[],
  transaction: TransactionHandle,
): Promise<ReleaseKey[]> {
  const made = await insertReleases(database, releases, transaction);
  await settleNextReleases(database, made, transaction);
  return made;
}
