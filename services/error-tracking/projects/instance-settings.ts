import type { Database } from "@signalbox/database";
import type { Transaction } from "kysely";
import type { ProjectTables } from "../migrations/projects-migration.js";
import { projectsChannel } from "./projects.js";
import type { Quota } from "./quotas.js";

/** What holds for all projects together, and can be changed while the server runs. */
export interface InstanceSettings {
  readonly quotas: readonly Quota[];
}

interface InstanceTables extends ProjectTables {
  error_instance_settings: { id: number; settings: string };
}

export async function readInstanceSettings(database: Database): Promise<InstanceSettings> {
  const row = await database
    .reader<InstanceTables>()
    .selectFrom("error_instance_settings")
    .select("settings")
    .executeTakeFirst();
  const stored: Partial<InstanceSettings> = row === undefined ? {} : JSON.parse(row.settings);
  return { quotas: [], ...stored };
}

/** Replaces the settings; every process uses the new ones within 5 seconds. */
export async function writeInstanceSettings(database: Database, settings: InstanceSettings): Promise<void> {
  await database.transaction(async (transaction: Transaction<InstanceTables>) => {
    // All changes of what the edge keeps in memory take this row first and raise its number.
    await transaction
      .updateTable("project_revision")
      .set((row) => ({ revision: row("revision", "+", 1) }))
      .execute();
    await transaction
      .insertInto("error_instance_settings")
      .values({ id: 1, settings: JSON.stringify(settings) })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ settings: JSON.stringify(settings) }))
      .execute();
    database.notify(projectsChannel);
  });
}
