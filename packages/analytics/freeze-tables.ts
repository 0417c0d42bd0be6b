import type { Analytics } from "./analytics.js";

const namePattern = /^[a-z][a-z0-9_]{0,63}$/;

/**
 * Gives every table's present data a second name: hard links to its parts under `shadow/NAME` of the data directory, which
 * stay as they are until somebody removes that folder. Takes milliseconds for each table; reads and inserts go on.
 * @param name lower-case letters, digits and `_`; not used before.
 * @returns the names of the tables.
 * @throws {AnalyticsError} as `command` does.
 */
export async function freezeTables(analytics: Analytics, name: string): Promise<readonly string[]> {
  if (!namePattern.test(name)) throw new TypeError(`${name} is no name for frozen tables`);
  const tables = await analytics.query<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name",
  );
  for (const table of tables) await analytics.command(`ALTER TABLE \`${table.name}\` FREEZE WITH NAME '${name}'`);
  return tables.map((table) => table.name);
}
