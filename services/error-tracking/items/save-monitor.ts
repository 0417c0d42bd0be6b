import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import { ReadError } from "../issues/read-errors.js";
import { lockProjects } from "../store/counters.js";
import type { IssueTables } from "../store/tables.js";
import { isTimezone, type MonitorConfig, readMonitorConfig } from "./read-check-in.js";

export interface MonitorStores {
  readonly database: Database;
  readonly clock: Clock;
}

/** What somebody says about a monitor. What is absent stays as it is, and is the usual for a new one. */
export interface MonitorChange {
  /** Null: nobody knows when it runs. */
  readonly schedule?: { readonly type: string; readonly value: string | number; readonly unit?: string } | null;
  readonly checkinMarginMinutes?: number;
  readonly maxRuntimeMinutes?: number;
  readonly timezone?: string;
  readonly failureIssueThreshold?: number;
  readonly recoveryThreshold?: number;
}

/**
 * Makes a monitor before its first check-in.
 * @throws {ReadError} `ET_MONITOR_EXISTS`, `ET_MONITOR_INVALID`
 */
export async function createMonitor(
  { database, clock }: MonitorStores,
  projectId: number,
  slug: string,
  change: MonitorChange,
): Promise<void> {
  const config = changedConfig(undefined, change);
  const nowMs = clock.nowMs();
  await database.transaction(async (transaction: Transaction<IssueTables>) => {
    await lockProjects(database, [projectId], transaction);
    const made = await transaction
      .insertInto("error_monitors")
      .values({
        project_id: projectId,
        slug,
        config: config === undefined ? null : JSON.stringify(config),
        created_at_ms: nowMs,
        config_at_ms: config === undefined ? null : nowMs,
        last_check_in_at_ms: null,
        last_status: null,
      })
      .onConflict((conflict) => conflict.columns(["project_id", "slug"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    if (made === undefined) throw new ReadError("ET_MONITOR_EXISTS");
  });
}

/**
 * Says when a monitor runs and when somebody should worry. A check-in that is received later may say otherwise.
 * @throws {ReadError} `ET_MONITOR_NOT_FOUND`, `ET_MONITOR_INVALID`
 */
export async function changeMonitor(
  { database, clock }: MonitorStores,
  projectId: number,
  slug: string,
  change: MonitorChange,
): Promise<void> {
  await database.transaction(async (transaction: Transaction<IssueTables>) => {
    await lockProjects(database, [projectId], transaction);
    const row = await transaction
      .selectFrom("error_monitors")
      .select(["id", "config"])
      .where("project_id", "=", projectId)
      .where("slug", "=", slug)
      .executeTakeFirst();
    if (row === undefined) throw new ReadError("ET_MONITOR_NOT_FOUND");
    const config = changedConfig(row.config === null ? undefined : JSON.parse(row.config), change);
    await transaction
      .updateTable("error_monitors")
      .set({ config: config === undefined ? null : JSON.stringify(config), config_at_ms: clock.nowMs() })
      .where("id", "=", row.id)
      .execute();
  });
}

/**
 * Forgets a monitor with its check-ins. One that goes on checking in is a new monitor.
 * @throws {ReadError} `ET_MONITOR_NOT_FOUND`
 */
export async function deleteMonitor(
  { database }: Pick<MonitorStores, "database">,
  projectId: number,
  slug: string,
): Promise<void> {
  await database.transaction(async (transaction: Transaction<IssueTables>) => {
    await lockProjects(database, [projectId], transaction);
    const gone = await transaction
      .deleteFrom("error_monitors")
      .where("project_id", "=", projectId)
      .where("slug", "=", slug)
      .returning("id")
      .executeTakeFirst();
    if (gone === undefined) throw new ReadError("ET_MONITOR_NOT_FOUND");
    await transaction.deleteFrom("error_check_ins").where("monitor_id", "=", gone.id).execute();
  });
}

/** Undefined without a schedule: nothing else means anything then. */
function changedConfig(before: MonitorConfig | undefined, change: MonitorChange): MonitorConfig | undefined {
  const { schedule = before?.schedule ?? null, timezone = before?.timezone ?? "UTC" } = change;
  if (!isTimezone(timezone)) throw invalid("The time zone is not known.");
  if (schedule === null) {
    const others = Object.entries(change).some(([name, value]) => name !== "schedule" && value !== undefined);
    if (others) throw invalid("Without a schedule there is nothing else to say.");
    return undefined;
  }
  const config = readMonitorConfig({
    schedule: { ...schedule },
    checkin_margin: change.checkinMarginMinutes ?? before?.checkinMarginMinutes ?? null,
    max_runtime: change.maxRuntimeMinutes ?? before?.maxRuntimeMinutes ?? null,
    timezone,
    failure_issue_threshold: change.failureIssueThreshold ?? before?.failureIssueThreshold ?? null,
    recovery_threshold: change.recoveryThreshold ?? before?.recoveryThreshold ?? null,
  });
  if (config === undefined) throw invalid("The schedule is neither a crontab of five fields nor an interval.");
  return config;
}

function invalid(message: string): ReadError {
  return new ReadError("ET_MONITOR_INVALID", { message });
}
