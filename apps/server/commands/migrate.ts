import { migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import { migrate } from "@signalbox/database";
import { systemClock } from "@signalbox/kernel";
import type { Command } from "commander";
import type { ServerConfig } from "../config.js";
import { directoryHolder, lockDataDirectory } from "../data-directory.js";
import { dataPaths } from "../data-paths.js";
import { analyticsMigrations, databaseMigrations } from "../migrations.js";
import { openServerDatabase } from "../stores.js";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  type JsonOption,
  readCommandConfig,
  type Terminal,
} from "./command.js";

interface Applied {
  readonly store: "database" | "analytics";
  readonly set: string;
  readonly migration: string;
}

export function build(migrateStores: Command, terminal: Terminal): void {
  addJsonOption(addConfigOptions(migrateStores)).action(async (options: ConfigOptions & JsonOption) => {
    const { values } = readCommandConfig(terminal, options);
    const applied = [...(await migrateDatabase(values)), ...(await migrateAnalyticsStore(values))];
    if (options.json) terminal.out(JSON.stringify(applied, null, 2));
    else if (applied.length === 0) terminal.out("Everything is up to date");
    else for (const { store, set, migration } of applied) terminal.out(`Applied to ${store}: ${set} ${migration}`);
  });
}

async function migrateDatabase(config: ServerConfig): Promise<Applied[]> {
  const database = await openServerDatabase(config);
  try {
    const applied = await migrate(database, databaseMigrations);
    return applied.map(({ set, name }) => ({ store: "database", set, migration: name }));
  } finally {
    await database.close();
  }
}

/** The server that holds chDB has migrated it when it started, so there is nothing to do then. */
async function migrateAnalyticsStore(config: ServerConfig): Promise<Applied[]> {
  const { directory, analytics: path } = dataPaths(config);
  const url = config.clickhouseUrl?.reveal();
  if (url !== undefined) return applyTo({ url });
  if (directoryHolder(directory, systemClock)) return [];
  const lock = await lockDataDirectory(directory, systemClock);
  try {
    return await applyTo({ path });
  } finally {
    lock.release();
  }
}

async function applyTo(place: { readonly url?: string; readonly path?: string }): Promise<Applied[]> {
  const analytics = await openAnalytics(place);
  try {
    const applied = await migrateAnalytics(analytics, analyticsMigrations);
    return applied.map((one) => ({ store: "analytics", ...one }));
  } finally {
    await analytics.close();
  }
}
