import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { ProjectTables } from "../migrations/projects-migration.js";
import {
  daysKept,
  type InstanceDefaults,
  type RetainedKind,
  readProjectSettings,
} from "../projects/project-settings.js";
import { purgeDeleted } from "./remove-deleted.js";

export interface RetentionDependencies {
  readonly database: Database;
  readonly analytics: Analytics;
  readonly blobs?: Blobs | undefined;
  readonly clock: Clock;
  readonly defaults: InstanceDefaults;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const tables = ["error_events", "error_payloads"] as const;
const hours = { maxExecutionSeconds: 3600 } as const;

/**
 * Removes what projects do not want to keep any longer: expired partitions, rows of projects that keep less than they
 * did, counters by hour of that time, and what deletions left on disk. Made to run once a day; running it again changes
 * nothing.
 */
export async function removeExpired(dependencies: RetentionDependencies, signal?: AbortSignal): Promise<void> {
  const { analytics, database, clock, defaults } = dependencies;
  await dropExpiredPartitions(analytics, clock.nowMs());
  const projects = await database.reader<ProjectTables>().selectFrom("projects").select(["id", "settings"]).execute();
  for (const { id, settings } of projects) {
    if (signal?.aborted) return;
    const read = readProjectSettings(settings);
    const days = daysKept(read, defaults);
    const before = (kind?: RetainedKind): number => clock.nowMs() - daysKept(read, defaults, kind) * dayMs;
    const beforeMs = before();
    for (const table of tables) await removeRowsBefore(analytics, { table, time: "timestamp" }, id, days, beforeMs);
    const sessions = { table: "error_sessions", time: "started_hour" } as const;
    await removeRowsBefore(analytics, sessions, id, daysKept(read, defaults, "sessions"), before("sessions"));
    await database.run("delete from error_hash_hours where project_id = ? and hour < ?", [
      id,
      Math.floor(beforeMs / hourMs),
    ]);
    await database.run("delete from error_feedback where project_id = ? and received_at_ms < ?", [
      id,
      before("feedback"),
    ]);
    await removeOldAttachments(dependencies, id, before("attachments"));
  }
  await purgeDeleted(analytics);
}

async function removeOldAttachments(
  { database, blobs }: RetentionDependencies,
  projectId: number,
  beforeMs: number,
): Promise<void> {
  const { rows } = await database.run<{ blob: string }>(
    "delete from error_attachments where project_id = ? and received_at_ms < ? returning blob",
    [projectId, beforeMs],
  );
  for (const { blob } of rows) await blobs?.delete(blob);
}

/** Rows that were written when the project kept them longer; what expires by itself is left to the engine. */
async function removeRowsBefore(
  analytics: Analytics,
  { table, time }: { readonly table: string; readonly time: "timestamp" | "started_hour" },
  projectId: number,
  days: number,
  beforeMs: number,
): Promise<void> {
  const params = { project: projectId, days, before: new Date(beforeMs).toISOString() };
  const condition = `project_id = {project:UInt64} AND retention_days > {days:UInt16}
    AND ${time} < {before:DateTime64(3, 'UTC')}`;
  const [found] = await analytics.query<{ n: string }>(`SELECT count() AS n FROM ${table} WHERE ${condition}`, params);
  if (Number(found?.n) > 0) await analytics.command(`DELETE FROM ${table} WHERE ${condition}`, { params, ...hours });
}

/** A partition holds one week of one retention, so all of it expires together. */
async function dropExpiredPartitions(analytics: Analytics, nowMs: number): Promise<void> {
  const rows = await analytics.query<{ table: string; partition_id: string; partition: string }>(
    `SELECT DISTINCT table, partition_id, partition FROM system.parts
    WHERE active AND database = currentDatabase() AND table IN ('error_events', 'error_payloads', 'error_sessions')`,
  );
  for (const { table, partition_id: id, partition } of rows) {
    const [, days, monday] = /^\((\d+),'(\d{4}-\d\d-\d\d)'\)$/.exec(partition) ?? [];
    if (days === undefined || monday === undefined) continue;
    const endsMs = Date.parse(`${monday}T00:00:00Z`) + (7 + Number(days)) * dayMs;
    // Table and id come from the engine itself.
    if (endsMs < nowMs) await analytics.command(`ALTER TABLE ${table} DROP PARTITION ID '${id}'`, hours);
  }
}
