import type { Database, TransactionHandle } from "@signalbox/database";
import type { CheckIn } from "../items/read-check-in.js";

const upsertMonitor = `
  insert into error_monitors (project_id, slug, config, created_at_ms, config_at_ms, last_check_in_at_ms, last_status)
  values (?, ?, ?, ?, ?, ?, ?)
  on conflict (project_id, slug) do update set
    config = case when excluded.config is not null and excluded.config_at_ms >= coalesce(error_monitors.config_at_ms, 0)
      then excluded.config else error_monitors.config end,
    config_at_ms = case when excluded.config is not null and excluded.config_at_ms >= coalesce(error_monitors.config_at_ms, 0)
      then excluded.config_at_ms else error_monitors.config_at_ms end,
    last_status = case when excluded.last_check_in_at_ms >= coalesce(error_monitors.last_check_in_at_ms, 0)
      then excluded.last_status else error_monitors.last_status end,
    last_check_in_at_ms = case when excluded.last_check_in_at_ms >= coalesce(error_monitors.last_check_in_at_ms, 0)
      then excluded.last_check_in_at_ms else error_monitors.last_check_in_at_ms end
  returning id`;

const newestOpen = `
  select check_in_id from error_check_ins
  where monitor_id = ? and environment = ? and status = 'in_progress'
  order by started_at_ms desc, id desc limit 1`;

// A check-in that ended does not begin again because its first message came late.
const upsertCheckIn = `
  insert into error_check_ins
    (project_id, monitor_id, check_in_id, environment, status, started_at_ms, ended_at_ms, duration_ms, trace_id)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (monitor_id, check_in_id) do update set
    status = case when excluded.status = 'in_progress' then error_check_ins.status else excluded.status end,
    started_at_ms = case when excluded.started_at_ms < error_check_ins.started_at_ms
      then excluded.started_at_ms else error_check_ins.started_at_ms end,
    ended_at_ms = coalesce(excluded.ended_at_ms, error_check_ins.ended_at_ms),
    duration_ms = coalesce(excluded.duration_ms,
      case when excluded.status = 'in_progress' then error_check_ins.duration_ms
      else excluded.ended_at_ms - error_check_ins.started_at_ms end),
    trace_id = coalesce(excluded.trace_id, error_check_ins.trace_id)`;

/**
 * Keeps check-ins in the order given, and makes the monitors that they name. A check-in without an id of its own ends
 * the newest one that is in progress. The projects must be locked.
 */
export async function recordCheckIns(
  database: Database,
  checkIns: readonly (CheckIn & { readonly projectId: number })[],
  transaction: TransactionHandle,
): Promise<void> {
  const run = async <Row>(sql: string, values: readonly (string | number | null)[]) =>
    (await database.run<Row>(sql, values, transaction)).rows;

  for (const checkIn of checkIns) {
    const { projectId, slug, status, environment, receivedAtMs, durationMs } = checkIn;
    const config = checkIn.config === undefined ? null : JSON.stringify(checkIn.config);
    const [monitor] = await run<{ id: number }>(upsertMonitor, [
      projectId,
      slug,
      config,
      receivedAtMs,
      config === null ? null : receivedAtMs,
      receivedAtMs,
      status,
    ]);
    if (monitor === undefined) throw new Error("A monitor that was written is not there.");
    const open =
      checkIn.checkInId === undefined
        ? (await run<{ check_in_id: string }>(newestOpen, [monitor.id, environment]))[0]?.check_in_id
        : undefined;
    const ended = status !== "in_progress";
    await run(upsertCheckIn, [
      projectId,
      monitor.id,
      checkIn.checkInId ?? open ?? checkIn.freshId,
      environment,
      status,
      ended && open === undefined ? receivedAtMs - (durationMs ?? 0) : receivedAtMs,
      ended ? receivedAtMs : null,
      durationMs ?? null,
      checkIn.traceId ?? null,
    ]);
  }
}
