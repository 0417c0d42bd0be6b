import { canaryId } from "../list-runs.js";
import type { Figures } from "../sli.js";
import {
  type Durations,
  durationsOf,
  type FigureRow,
  figureColumns,
  figuresOf,
  hasDuration,
  inWindow,
  ofExperience,
  type ReadReport,
  type ReportWindow,
  type Wide,
  windowParams,
} from "./window.js";

/** The figures of one part of the time. */
export interface SeriesPoint extends Figures, Durations {
  readonly experienceId: string;
  readonly atMs: number;
}

/** How many runs took up to so long, and longer than the bar before. */
export interface LatencyBar {
  readonly upToS: number;
  readonly count: number;
}

export async function readSeries(
  read: ReadReport,
  tenant: string,
  window: ReportWindow,
  points: number,
  experienceId?: string,
): Promise<readonly SeriesPoint[]> {
  const stepMs = Math.max(1, Math.ceil((window.toMs - window.fromMs) / points));
  const rows = await read<SeriesRow>(
    `SELECT covered_experience_id,
       intDiv(toUnixTimestamp64Milli(verdict_at) - {from:Int64}, {step:Int64}) AS part, ${figureColumns}
     FROM experience_verdicts FINAL
     WHERE ${experienceId === undefined ? inWindow : ofExperience} AND covered_experience_id <> {canary:String}
     GROUP BY covered_experience_id, part ORDER BY covered_experience_id, part`,
    { ...windowParams(tenant, window), step: stepMs, canary: canaryId, experience: experienceId ?? "" },
  );
  return rows.map((row) => ({
    experienceId: row.covered_experience_id,
    atMs: window.fromMs + Number(row.part) * stepMs,
    ...figuresOf(row),
    ...durationsOf(row),
  }));
}

export async function readLatency(
  read: ReadReport,
  tenant: string,
  window: ReportWindow,
  experienceId: string,
): Promise<readonly LatencyBar[]> {
  // Four bars for each doubling: fine enough for any threshold, few enough for any spread.
  const rows = await read<{ bar: Wide; runs: Wide }>(
    `SELECT toInt32(ceil(log2(greatest(assumeNotNull(elapsed_s), 0.001)) * 4)) AS bar, count() AS runs
     FROM experience_verdicts FINAL WHERE ${ofExperience} AND ${hasDuration}
     GROUP BY bar ORDER BY bar`,
    { ...windowParams(tenant, window), experience: experienceId },
  );
  return rows.map(({ bar, runs }) => ({ upToS: 2 ** (Number(bar) / 4), count: Number(runs) }));
}

interface SeriesRow extends FigureRow {
  readonly covered_experience_id: string;
  readonly part: Wide;
}
