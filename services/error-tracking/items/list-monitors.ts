import type { Database } from "@signalbox/database";
import { type Direction, type KeysetPage, keysetPage } from "../keyset-page.js";
import type { CheckInStatus, IssueTables } from "../store/tables.js";
import type { MonitorConfig } from "./read-check-in.js";

export interface Monitor {
  readonly id: number;
  readonly slug: string;
  /** Undefined until somebody says when it runs. */
  readonly config: MonitorConfig | undefined;
  readonly createdAtMs: number;
  readonly lastCheckInAtMs: number | undefined;
  readonly lastStatus: string | undefined;
}

/** All monitors of a project by name. */
export async function listMonitors(database: Database, projectId: number): Promise<Monitor[]> {
  const rows = await database
    .reader<IssueTables>()
    .selectFrom("error_monitors")
    .selectAll()
    .where("project_id", "=", projectId)
    .orderBy("slug")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    slug: row.slug,
    config: row.config === null ? undefined : JSON.parse(row.config),
    createdAtMs: row.created_at_ms,
    lastCheckInAtMs: row.last_check_in_at_ms ?? undefined,
    lastStatus: row.last_status ?? undefined,
  }));
}

/** Where a page begins: behind or before this check-in. */
export type CheckInPosition = readonly [direction: Direction, startedAtMs: number, id: number];

export function isCheckInPosition(value: unknown): value is CheckInPosition {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [direction, startedAtMs, id] = value;
  return (
    (direction === "next" || direction === "prev") && Number.isSafeInteger(startedAtMs) && Number.isSafeInteger(id)
  );
}

export interface StoredCheckIn {
  readonly id: number;
  readonly check_in_id: string;
  readonly environment: string;
  readonly status: CheckInStatus;
  readonly started_at_ms: number;
  readonly ended_at_ms: number | null;
  readonly duration_ms: number | null;
  readonly trace_id: string | null;
}

/** Check-ins of a monitor, those that began last first. */
export async function listCheckIns(
  database: Database,
  monitorId: number,
  {
    environment,
    limit,
    from,
  }: { readonly environment?: string; readonly limit: number; readonly from?: CheckInPosition },
): Promise<KeysetPage<StoredCheckIn, CheckInPosition>> {
  const [direction, startedAtMs, id] = from ?? [];
  const backwards = direction === "prev";
  let query = database
    .reader<IssueTables>()
    .selectFrom("error_check_ins")
    .selectAll()
    .where("monitor_id", "=", monitorId)
    .orderBy("started_at_ms", backwards ? "asc" : "desc")
    .orderBy("id", backwards ? "asc" : "desc")
    .limit(limit + 1);
  if (environment !== undefined) query = query.where("environment", "=", environment);
  if (startedAtMs !== undefined && id !== undefined) {
    const beyond = backwards ? ">" : "<";
    query = query.where((row) =>
      row.or([
        row("started_at_ms", beyond, startedAtMs),
        row.and([row("started_at_ms", "=", startedAtMs), row("id", beyond, id)]),
      ]),
    );
  }
  return keysetPage(await query.execute(), limit, direction, (row, way) => [way, row.started_at_ms, row.id]);
}
