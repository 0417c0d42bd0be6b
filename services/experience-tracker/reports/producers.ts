import { canaryId } from "../list-runs.js";
import { type ReadReport, type ReportWindow, type Wide, windowParams } from "./window.js";

/** What one producer has sent. */
export interface ProducerFigures {
  readonly producer: string;
  readonly checkpoints: number;
  /** Of these: with an anomaly. */
  readonly anomalous: number;
  readonly starts: number;
  readonly ends: number;
  /** Different experiences that they are about. */
  readonly experiences: number;
  readonly lastAtMs: number;
}

const maxProducers = 1_000;

/** Those who sent most first; at most a thousand. The tracker's own canary is left out. */
export async function readProducers(
  read: ReadReport,
  tenant: string,
  window: ReportWindow,
): Promise<readonly ProducerFigures[]> {
  const rows = await read<ProducerRow>(
    `SELECT producer, count() AS checkpoints, countIf(notEmpty(anomalies)) AS anomalous,
       countIf(checkpoint = 'start') AS starts, countIf(checkpoint = 'end') AS ends,
       uniqExact(covered_experience_id) AS experiences, toUnixTimestamp64Milli(max(server_timestamp)) AS last_ms
     FROM experience_checkpoints FINAL
     WHERE tenant = {tenant:String} AND producer <> '' AND covered_experience_id <> {canary:String}
       AND server_timestamp >= fromUnixTimestamp64Milli({from:Int64})
       AND server_timestamp < fromUnixTimestamp64Milli({to:Int64})
     GROUP BY producer ORDER BY checkpoints DESC, producer LIMIT ${maxProducers}`,
    { ...windowParams(tenant, window), canary: canaryId },
  );
  return rows.map((row) => ({
    producer: row.producer,
    checkpoints: Number(row.checkpoints),
    anomalous: Number(row.anomalous),
    starts: Number(row.starts),
    ends: Number(row.ends),
    experiences: Number(row.experiences),
    lastAtMs: Number(row.last_ms),
  }));
}

interface ProducerRow {
  readonly producer: string;
  readonly checkpoints: Wide;
  readonly anomalous: Wide;
  readonly starts: Wide;
  readonly ends: Wide;
  readonly experiences: Wide;
  readonly last_ms: Wide;
}
