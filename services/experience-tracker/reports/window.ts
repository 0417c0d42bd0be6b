import type { Analytics } from "@signalbox/analytics";
import type { Figures } from "../sli.js";

/** A time to look at: from, included, until, not included. Runs belong to the moment of their verdict. */
export interface ReportWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/** How long runs took that ended, in seconds; null when none has. */
export interface Durations {
  readonly p50S: number | null;
  readonly p95S: number | null;
  readonly p99S: number | null;
}

export type ReadReport = <Row>(sql: string, params: Record<string, unknown>) => Promise<Row[]>;

/** Reads for reports: longer and larger than others, and still bounded. */
export function reportReader(analytics: Analytics): ReadReport {
  const limits = { maxExecutionSeconds: 20, maxMemoryBytes: 1024 ** 3, maxResultRows: 50_000 };
  return (sql, params) => analytics.query(sql, params, limits);
}

export function windowParams(tenant: string, { fromMs, toMs }: ReportWindow) {
  return { tenant, from: fromMs, to: toMs };
}

/** Rows of the verdicts that a report is about. */
export const inWindow = `tenant = {tenant:String} AND counted
  AND verdict_at >= fromUnixTimestamp64Milli({from:Int64}) AND verdict_at < fromUnixTimestamp64Milli({to:Int64})`;
export const ofExperience = `${inWindow} AND covered_experience_id = {experience:String}`;

/** A timeout is an error and an operation, and never part of apdex; nor has it a duration. */
export const isOperation = "state IN ('succeeded', 'failed', 'timed_out')";
export const hasDuration = "state IN ('succeeded', 'failed') AND elapsed_s IS NOT NULL";

/** Percentiles are those of nearest rank: each is a duration that really occurred. */
export const durationColumns = `
  quantilesExactIf(0.5, 0.95, 0.99)(assumeNotNull(elapsed_s), ${hasDuration}) AS durations,
  countIf(${hasDuration}) AS timed`;

export const countColumns = `
  countIf(${isOperation}) AS operations,
  countIf(state IN ('failed', 'timed_out')) AS errors,
  countIf(state = 'timed_out') AS timeouts,
  countIf(apdex_success IS NOT NULL) AS apdex_weight,
  countIf(apdex_success = true) AS apdex_success_count`;

export const figureColumns = `${countColumns}, ${durationColumns}`;

/** Wide numbers come as text. */
export type Wide = string | number;

export interface CountRow {
  readonly operations: Wide;
  readonly errors: Wide;
  readonly timeouts: Wide;
  readonly apdex_weight: Wide;
  readonly apdex_success_count: Wide;
}

export interface FigureRow extends CountRow {
  readonly durations: readonly number[];
  readonly timed: Wide;
}

export function figuresOf(row: CountRow): Figures {
  return {
    operations: Number(row.operations),
    errors: Number(row.errors),
    timeouts: Number(row.timeouts),
    apdexWeight: Number(row.apdex_weight),
    apdexSuccess: Number(row.apdex_success_count),
  };
}

export function durationsOf(row: Pick<FigureRow, "durations" | "timed"> | undefined): Durations {
  const [p50, p95, p99] = row === undefined || Number(row.timed) === 0 ? [] : row.durations;
  return { p50S: p50 ?? null, p95S: p95 ?? null, p99S: p99 ?? null };
}
