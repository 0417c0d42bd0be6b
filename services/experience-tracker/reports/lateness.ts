import { hasDuration, ofExperience, type ReadReport, type ReportWindow, type Wide, windowParams } from "./window.js";

/** Runs that timed out, and what came of them later. */
export interface Lateness {
  readonly timeouts: number;
  /** How many of them ended after all, and how. */
  readonly ended: { readonly success: number; readonly error: number; readonly discarded: number };
  /** How long after their deadline, in seconds; null when none ended. */
  readonly p50S: number | null;
  readonly p90S: number | null;
  readonly p99S: number | null;
  /** How many were late by more than the bar before and at most so long; the last bar has no end. */
  readonly bars: readonly { readonly upToS: number | null; readonly count: number }[];
  /** Runs of which it is known when they ended, in time or late. */
  readonly known: number;
  /** The least timeout that would have been enough for 99 of 100 of these; null when there are too few of them. */
  readonly suggestedTimeoutS: number | null;
}

/** Upper ends of the bars in seconds, as those of the histogram of lateness. */
const barsS = [1, 5, 15, 60, 300, 1800, 3600, 21_600] as const;
/** Fewer runs tell nothing about one of a hundred. */
const leastKnown = 100;

const isLate = "state = 'timed_out' AND late_end_outcome <> ''";
/** Milliseconds from start to end, in time or late; -1 when nobody knows. */
const tookMs = `multiIf(
  ${isLate} AND late_end_at IS NOT NULL AND started_at IS NOT NULL,
    greatest(toInt64(0), toUnixTimestamp64Milli(assumeNotNull(late_end_at)) - toUnixTimestamp64Milli(assumeNotNull(started_at))),
  (${hasDuration}) OR (state = 'discarded' AND elapsed_s IS NOT NULL), toInt64(round(assumeNotNull(elapsed_s) * 1000)),
  toInt64(-1))`;

export async function readLateness(
  read: ReadReport,
  tenant: string,
  window: ReportWindow,
  experienceId: string,
): Promise<Lateness> {
  const [row] = await read<LatenessRow>(
    `SELECT countIf(state = 'timed_out') AS timeouts,
       countIf(${isLate} AND late_end_outcome = 'success') AS success,
       countIf(${isLate} AND late_end_outcome = 'error') AS failed,
       countIf(${isLate} AND late_end_outcome = 'discarded') AS discarded,
       quantilesExactIf(0.5, 0.9, 0.99)(assumeNotNull(lateness_s), ${isLate} AND lateness_s IS NOT NULL) AS late,
       countIf(${isLate} AND lateness_s IS NOT NULL) AS measured,
       ${barsS.map((upToS, index) => `countIf(${isLate} AND lateness_s <= ${upToS}) AS up_to_${index}`).join(", ")},
       countIf(took_ms >= 0) AS known,
       arrayElement(arraySort(groupArrayIf(took_ms, took_ms >= 0)), toInt64(intDiv(99 * known + 99, 100))) AS enough_ms
     FROM (SELECT *, ${tookMs} AS took_ms FROM experience_verdicts FINAL WHERE ${ofExperience})`,
    { ...windowParams(tenant, window), experience: experienceId },
  );
  if (!row) throw new TypeError("A sum over no rows is a row");
  const [p50, p90, p99] = Number(row.measured) === 0 ? [] : row.late;
  const known = Number(row.known);
  return {
    timeouts: Number(row.timeouts),
    ended: { success: Number(row.success), error: Number(row.failed), discarded: Number(row.discarded) },
    p50S: p50 ?? null,
    p90S: p90 ?? null,
    p99S: p99 ?? null,
    bars: barsOf(row),
    known,
    suggestedTimeoutS: known < leastKnown ? null : roundedUpS(Number(row.enough_ms)),
  };
}

type LatenessRow = Readonly<
  Record<"timeouts" | "success" | "failed" | "discarded" | "measured" | "known" | "enough_ms", Wide>
> &
  Readonly<Record<`up_to_${number}`, Wide>> & { readonly late: readonly number[] };

/** The row counts everything up to a moment; a bar what came since the moment before. */
function barsOf(row: LatenessRow): Lateness["bars"] {
  const upTo = [...barsS.map((_, index) => Number(row[`up_to_${index}`])), Number(row.measured)];
  return upTo.map((count, index) => ({ upToS: barsS[index] ?? null, count: count - (upTo[index - 1] ?? 0) }));
}

/** To two significant digits, in seconds. In whole numbers, because 0.1 is none. */
export function roundedUpS(valueMs: number): number {
  let unit = 1;
  while (Math.ceil(valueMs / unit) > 99) unit *= 10;
  // Nothing ends in no time, and a timeout of nothing is none.
  return (Math.max(1, Math.ceil(valueMs / unit)) * unit) / 1000;
}
