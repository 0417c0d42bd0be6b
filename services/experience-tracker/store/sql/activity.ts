import type { TransactionHandle } from "@signalbox/database";
import {
  type ActivityPeriod,
  activityPeriods,
  everyActivityPeriod,
  gatherActivity,
  type ProducerActivity,
} from "@signalbox/experience";
import { sql } from "kysely";
import type { SqlStoreDependencies } from "./dependencies.js";
import { textOf } from "./rows.js";

const table = "experience_producer_activity";
const upsert = `insert into ${table}
    (period, from_ms, tenant, producer, type, checkpoints, anomalous, starts, ends, last_at_ms)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (period, from_ms, tenant, producer, type) do update set
    checkpoints = ${table}.checkpoints + excluded.checkpoints,
    anomalous = ${table}.anomalous + excluded.anomalous,
    starts = ${table}.starts + excluded.starts,
    ends = ${table}.ends + excluded.ends,
    last_at_ms = case when excluded.last_at_ms > ${table}.last_at_ms then excluded.last_at_ms
      else ${table}.last_at_ms end`;

export async function addActivity(
  { database, clock }: SqlStoreDependencies,
  added: readonly ProducerActivity[],
  transaction: TransactionHandle,
): Promise<void> {
  const nowMs = clock.nowMs();
  await database.batch(
    [
      {
        sql: upsert,
        // In one order everywhere, so that replicas never lock crosswise.
        rows: everyActivityPeriod.flatMap((period) =>
          [...gatherActivity(period, added).values()].map((sent) => [
            period,
            sent.fromMs,
            sent.tenant,
            sent.producer,
            sent.type,
            sent.checkpoints,
            sent.anomalous,
            sent.starts,
            sent.ends,
            sent.lastAtMs,
          ]),
        ),
      },
      {
        sql: `delete from ${table} where period = ? and from_ms < ?`,
        rows: everyActivityPeriod.map((period) => [period, nowMs - activityPeriods[period].keptMs]),
      },
    ],
    transaction,
  );
}

export async function readActivity(
  { database, clock }: SqlStoreDependencies,
  period: ActivityPeriod,
  sinceMs: number,
): Promise<ProducerActivity[]> {
  const oldestMs = Math.max(sinceMs, clock.nowMs() - activityPeriods[period].keptMs);
  const { rows } = await sql<Record<string, unknown>>`
    select * from experience_producer_activity where period = ${period} and from_ms >= ${oldestMs}`.execute(
    database.reader(),
  );
  return rows.map((row) => ({
    tenant: textOf(row["tenant"]),
    producer: textOf(row["producer"]),
    type: textOf(row["type"]),
    fromMs: Number(row["from_ms"]),
    checkpoints: Number(row["checkpoints"]),
    anomalous: Number(row["anomalous"]),
    starts: Number(row["starts"]),
    ends: Number(row["ends"]),
    lastAtMs: Number(row["last_at_ms"]),
  }));
}
