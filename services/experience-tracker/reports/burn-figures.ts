import type { Figures } from "../sli.js";
import {
  type CountRow,
  countColumns,
  figuresOf,
  ofExperience,
  type ReadReport,
  type Wide,
  windowParams,
} from "./window.js";

/** What happened within each of several times until now, by their seconds; those without traffic are absent. */
export async function readUntilNow(
  read: ReadReport,
  tenant: string,
  nowMs: number,
  seconds: readonly number[],
  experienceId: string,
): Promise<ReadonlyMap<number, Figures>> {
  const window = { fromMs: nowMs - Math.max(...seconds) * 1000, toMs: nowMs };
  const rows = await read<CountRow & { readonly seconds: Wide }>(
    `SELECT seconds, ${countColumns}
     FROM (SELECT * FROM experience_verdicts FINAL WHERE ${ofExperience})
     ARRAY JOIN {seconds:Array(Int64)} AS seconds
     WHERE verdict_at >= fromUnixTimestamp64Milli({to:Int64} - seconds * 1000)
     GROUP BY seconds`,
    { ...windowParams(tenant, window), experience: experienceId, seconds },
  );
  return new Map(rows.map((row) => [Number(row.seconds), figuresOf(row)]));
}
