import type { Database } from "@signalbox/database";
import { sql } from "kysely";
import type { IssueTables } from "../store/tables.js";

export const statsPeriods = ["15m", "30m", "1h", "24h", "7d", "14d", "30d"] as const;
export type StatsPeriod = (typeof statsPeriods)[number];

/** Start of the bucket in seconds since the epoch, and the events in it. */
export type Bucket = [startS: number, events: number];

interface Resolution {
  readonly table: "error_hash_minutes" | "error_hash_hours";
  readonly slotColumn: "minute" | "hour";
  /** Rows of the table in one bucket. */
  readonly slotsPerBucket: number;
  readonly bucketS: number;
  readonly buckets: number;
}

const minutes = { table: "error_hash_minutes", slotColumn: "minute", slotsPerBucket: 1, bucketS: 60 } as const;
const hours = { table: "error_hash_hours", slotColumn: "hour", slotsPerBucket: 1, bucketS: 3600 } as const;
const days = { table: "error_hash_hours", slotColumn: "hour", slotsPerBucket: 24, bucketS: 86_400 } as const;

const resolutions: Readonly<Record<StatsPeriod, Resolution>> = {
  "15m": { ...minutes, buckets: 15 },
  "30m": { ...minutes, buckets: 30 },
  "1h": { ...minutes, buckets: 60 },
  "24h": { ...hours, buckets: 24 },
  "7d": { ...hours, buckets: 168 },
  "14d": { ...days, buckets: 14 },
  "30d": { ...days, buckets: 30 },
};

/** A time between two moments, instead of one that ends now. */
export interface StatsWindow {
  readonly fromMs: number;
  /** Not part of it. */
  readonly untilMs: number;
}

const hourMs = 3_600_000;
/** Minutes are counted for two hours; a bucket of the first one may be half gone. */
const minutesKnownMs = 1.9 * hourMs;

/** As fine as is counted and as can be looked at. */
function resolutionOf({ fromMs, untilMs }: StatsWindow, nowMs: number): Resolution {
  const lengthMs = untilMs - fromMs;
  const unit =
    lengthMs <= 2 * hourMs && fromMs > nowMs - minutesKnownMs ? minutes : lengthMs <= 8 * 24 * hourMs ? hours : days;
  const bucketMs = unit.bucketS * 1000;
  return { ...unit, buckets: Math.ceil(untilMs / bucketMs) - Math.floor(fromMs / bucketMs) };
}

export function periodMs(period: StatsPeriod): number {
  const { bucketS, buckets } = resolutions[period];
  return bucketS * buckets * 1000;
}

/**
 * Exact events of each issue per bucket, oldest first, zeros included. The last bucket of a period is the one that is
 * running; those of a window hold all of it. Minutes, hours and days begin with those of UTC.
 */
export async function issueFrequencies(
  database: Database,
  projectId: number,
  issueIds: readonly number[],
  time: StatsPeriod | StatsWindow,
  nowMs: number,
): Promise<Map<number, Bucket[]>> {
  const { table, slotColumn, slotsPerBucket, bucketS, buckets } =
    typeof time === "string" ? resolutions[time] : resolutionOf(time, nowMs);
  const endMs = typeof time === "string" ? nowMs : time.untilMs - 1;
  const last = Math.floor(endMs / 1000 / bucketS);
  const first = last - buckets + 1;
  const result = new Map(
    issueIds.map((id) => [id, Array.from({ length: buckets }, (_, index): Bucket => [(first + index) * bucketS, 0])]),
  );
  if (issueIds.length === 0) return result;
  const slot = sql.ref(`counted.${slotColumn}`);
  const { rows } = await sql<{ issue_id: number; bucket: number; events: number }>`
    select owned.issue_id, ${slot} / ${sql.lit(slotsPerBucket)} as bucket, sum(counted.events) as events
    from error_hashes as owned
    join ${sql.table(table)} as counted on counted.project_id = owned.project_id and counted.hash = owned.hash
    where owned.project_id = ${projectId} and owned.issue_id in (${sql.join(issueIds)})
      and ${slot} >= ${first * slotsPerBucket} and ${slot} < ${(last + 1) * slotsPerBucket}
    group by 1, 2`.execute(database.reader<IssueTables>());
  for (const row of rows) {
    const bucket = result.get(row.issue_id)?.[row.bucket - first];
    if (bucket) bucket[1] = Number(row.events);
  }
  return result;
}
