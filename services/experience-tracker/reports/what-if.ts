import { type RunFigures, type RunFiguresRow, runFiguresOf } from "./experience-figures.js";
import { ofExperience, type ReadReport, type ReportWindow, windowParams } from "./window.js";

/** Terms to judge by; where one is absent, each run is judged by the one it had. */
export interface OtherTerms {
  readonly thresholdMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

/** When a run ended, in milliseconds after its start, be it in time or late; null when nobody knows. */
const endedMs = `multiIf(
  state <> 'timed_out', round(elapsed_s * 1000),
  late_end_at IS NOT NULL AND started_at IS NOT NULL,
    toFloat64(greatest(toInt64(0), toUnixTimestamp64Milli(assumeNotNull(late_end_at)) - toUnixTimestamp64Milli(assumeNotNull(started_at)))),
  NULL)`;
const outcome = `multiIf(state = 'succeeded', 'success', state = 'failed', 'error', state = 'discarded', 'discarded',
  late_end_outcome)`;
/** A run that was silent for too long is not saved by more time in all. */
const timedOut = (timeoutMs: number | undefined): string =>
  timeoutMs === undefined
    ? "state = 'timed_out'"
    : `if((state = 'timed_out' AND reason = 'inactivity') OR ended_ms IS NULL,
        state = 'timed_out', assumeNotNull(ended_ms) > {timeout_ms:Float64})`;
const threshold = (thresholdMs: number | undefined): string =>
  thresholdMs === undefined ? "round(assumeNotNull(threshold_s) * 1000)" : "{threshold_ms:Float64}";

const hasDuration = "NOT died AND outcome IN ('success', 'error') AND ended_ms IS NOT NULL";
const isOperation = "(died OR outcome IN ('success', 'error'))";
const isError = "(died OR outcome = 'error')";
const isWeighed = "NOT died AND outcome = 'success' AND ended_ms IS NOT NULL";

/**
 * The figures of the same runs, judged by other terms. A run that timed out and ended later is one that would have ended
 * in time, had the timeout been longer; one that nobody heard of again stays a timeout, however long one would have waited.
 */
export async function readWhatIf(
  read: ReadReport,
  tenant: string,
  window: ReportWindow,
  experienceId: string,
  { thresholdMs, timeoutMs }: OtherTerms,
): Promise<RunFigures> {
  const rows = await read<RunFiguresRow>(
    `SELECT countIf(${isOperation}) AS operations, countIf(${isError}) AS errors, countIf(died) AS timeouts,
       countIf(${isWeighed}) AS apdex_weight,
       countIf(${isWeighed} AND assumeNotNull(ended_ms) <= ${threshold(thresholdMs)}) AS apdex_success_count,
       quantilesExactIf(0.5, 0.95, 0.99)(assumeNotNull(ended_ms) / 1000, ${hasDuration}) AS durations,
       countIf(${hasDuration}) AS timed,
       countIf(died AND outcome = 'success') AS late_success,
       countIf(NOT died AND outcome = 'discarded') AS discards,
       countIf(${isOperation} AND in_measurement_gap) AS gap_operations,
       countIf(${isError} AND in_measurement_gap) AS gap_errors,
       countIf(died AND in_measurement_gap) AS gap_timeouts
     FROM (SELECT *, ${endedMs} AS ended_ms, ${outcome} AS outcome, ${timedOut(timeoutMs)} AS died
       FROM experience_verdicts FINAL
       WHERE ${ofExperience} AND state IN ('succeeded', 'failed', 'timed_out', 'discarded'))`,
    {
      ...windowParams(tenant, window),
      experience: experienceId,
      threshold_ms: thresholdMs ?? 0,
      timeout_ms: timeoutMs ?? 0,
    },
  );
  const [row] = rows;
  if (!row) throw new TypeError("A sum over no rows is a row");
  return runFiguresOf(row);
}
