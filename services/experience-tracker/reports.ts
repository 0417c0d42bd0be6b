import type { Analytics } from "@signalbox/analytics";
import type { Definition } from "@signalbox/experience";
import { canaryId } from "./list-runs.js";
import { type Figures, noFigures } from "./sli.js";

/** A time to look at: from, included, until, not included. */
export interface ReportWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface ExperienceFigures extends Figures {
  readonly experienceId: string;
  /** Timeouts whose end came later as a success. */
  readonly lateSuccess: number;
  readonly discards: number;
  readonly timeoutsInGap: number;
  readonly p50S: number | null;
  readonly p95S: number | null;
  readonly p99S: number | null;
}

/** The figures of one part of the time. */
export interface SeriesPoint extends Figures {
  readonly experienceId: string;
  readonly atMs: number;
  readonly p50S: number | null;
  readonly p95S: number | null;
  readonly p99S: number | null;
}

/** How many runs took up to so long, and longer than the bar before. */
export interface LatencyBar {
  readonly upToS: number;
  readonly count: number;
}

export interface FunnelStep {
  readonly step: string;
  readonly runs: number;
  /** From this step to the next one of the same run. */
  readonly gapP50S: number | null;
  readonly gapP95S: number | null;
  readonly gapP99S: number | null;
  /** What follows it most often in runs that succeed. */
  readonly usualNext: string | null;
}

export interface Funnel {
  readonly runs: number;
  readonly steps: readonly FunnelStep[];
  /** The last step of runs that timed out. */
  readonly diedAfter: readonly { readonly step: string; readonly count: number }[];
}

/** Sums over what became of the runs of a tenant. Reads history alone, so the newest verdicts may be missing for a moment. */
export interface Reports {
  /** Of each definition, also of those without traffic; the tracker's own canary is left out. */
  experiences(
    tenant: string,
    window: ReportWindow,
    definitions: readonly Definition[],
    options: { readonly chargeGaps: boolean },
  ): Promise<readonly ExperienceFigures[]>;
  /** `points` parts of equal length for each experience that had traffic, or for one; parts without traffic are absent. */
  series(tenant: string, window: ReportWindow, points: number, experienceId?: string): Promise<readonly SeriesPoint[]>;
  latency(tenant: string, window: ReportWindow, experienceId: string): Promise<readonly LatencyBar[]>;
  funnel(tenant: string, window: ReportWindow, experienceId: string): Promise<Funnel>;
  /** How long checkpoints could not arrive, in seconds. */
  gapSeconds(window: ReportWindow): Promise<number>;
}

const limits = { maxExecutionSeconds: 20, maxMemoryBytes: 1024 * 1024 * 1024, maxResultRows: 50_000 } as const;
const maxSteps = 100;

const ended = "state IN ('succeeded', 'failed', 'timed_out')";
const inWindow = `tenant = {tenant:String}
  AND verdict_at >= fromUnixTimestamp64Milli({from:Int64}) AND verdict_at < fromUnixTimestamp64Milli({to:Int64})`;
/** A timeout is an error and an operation, and never part of apdex; nor has it a duration. */
const figures = (counted: string): string => `
  countIf(${counted}) AS operations,
  countIf(${counted} AND (error OR state = 'timed_out')) AS errors,
  countIf(${counted} AND state = 'timed_out') AS timeouts,
  countIf(apdex_success IS NOT NULL) AS apdex_weight,
  countIf(apdex_success = true) AS apdex_success_count,
  quantilesExactIf(0.5, 0.95, 0.99)(assumeNotNull(elapsed_s), state IN ('succeeded', 'failed') AND elapsed_s IS NOT NULL)
    AS durations,
  countIf(state IN ('succeeded', 'failed') AND elapsed_s IS NOT NULL) AS timed`;

/** What a step is called: its category, or else which kind of checkpoint it is. */
const stepName = "if(checkpoint_category = '', checkpoint, checkpoint_category)";
/** The way that each run took, in the order in which things happened. */
const journeys = `
  SELECT verdict.state AS state,
    arraySort(x -> x.1, groupArray((toUnixTimestamp64Milli(occurred_at), ${stepName}))) AS way
  FROM (SELECT correlation_id, run, occurred_at, checkpoint, checkpoint_category FROM experience_checkpoints FINAL
    WHERE tenant = {tenant:String} AND covered_experience_id = {experience:String} AND applied
      AND server_timestamp < fromUnixTimestamp64Milli({to:Int64})) AS sent
  INNER JOIN (SELECT correlation_id, run, state FROM experience_verdicts FINAL
    WHERE ${inWindow} AND covered_experience_id = {experience:String} AND ${ended}) AS verdict
  ON sent.correlation_id = verdict.correlation_id AND sent.run = verdict.run
  GROUP BY verdict.correlation_id, verdict.run, verdict.state`;

export function createReports(analytics: Analytics): Reports {
  const read = <Row>(sql: string, params: Record<string, unknown>): Promise<Row[]> =>
    analytics.query<Row>(sql, params, limits);
  const paramsOf = (tenant: string, { fromMs, toMs }: ReportWindow) => ({ tenant, from: fromMs, to: toMs });

  return {
    async experiences(tenant, window, definitions, { chargeGaps }) {
      const counted = chargeGaps ? ended : `${ended} AND NOT in_measurement_gap`;
      const rows = await read<ExperienceRow>(
        `SELECT covered_experience_id, ${figures(counted)},
           countIf(state = 'timed_out' AND late_end_outcome = 'success') AS late_success,
           countIf(state = 'discarded') AS discards,
           countIf(state = 'timed_out' AND in_measurement_gap) AS timeouts_in_gap
         FROM experience_verdicts FINAL WHERE ${inWindow} GROUP BY covered_experience_id`,
        paramsOf(tenant, window),
      );
      const found = new Map(rows.map((row) => [row.covered_experience_id, row]));
      return definitions
        .filter(({ id }) => id !== canaryId)
        .map(({ id }) => {
          const row = found.get(id);
          return {
            experienceId: id,
            ...(row ? figuresOf(row) : noFigures),
            ...durationsOf(row),
            lateSuccess: Number(row?.late_success ?? 0),
            discards: Number(row?.discards ?? 0),
            timeoutsInGap: Number(row?.timeouts_in_gap ?? 0),
          };
        });
    },

    async series(tenant, window, points, experienceId) {
      const stepMs = Math.max(1, Math.ceil((window.toMs - window.fromMs) / points));
      const rows = await read<SeriesRow>(
        `SELECT covered_experience_id,
           intDiv(toUnixTimestamp64Milli(verdict_at) - {from:Int64}, {step:Int64}) AS part, ${figures(ended)}
         FROM experience_verdicts FINAL
         WHERE ${inWindow} AND covered_experience_id <> {canary:String}
           ${experienceId === undefined ? "" : "AND covered_experience_id = {experience:String}"}
         GROUP BY covered_experience_id, part ORDER BY covered_experience_id, part`,
        { ...paramsOf(tenant, window), step: stepMs, canary: canaryId, experience: experienceId ?? "" },
      );
      return rows.map((row) => ({
        experienceId: row.covered_experience_id,
        atMs: window.fromMs + Number(row.part) * stepMs,
        ...figuresOf(row),
        ...durationsOf(row),
      }));
    },

    async latency(tenant, window, experienceId) {
      // Four bars for each doubling: fine enough for any threshold, few enough for any spread.
      const rows = await read<{ bar: string | number; runs: string | number }>(
        `SELECT toInt32(ceil(log2(greatest(assumeNotNull(elapsed_s), 0.001)) * 4)) AS bar, count() AS runs
         FROM experience_verdicts FINAL
         WHERE ${inWindow} AND covered_experience_id = {experience:String} AND state IN ('succeeded', 'failed')
           AND elapsed_s IS NOT NULL
         GROUP BY bar ORDER BY bar`,
        { ...paramsOf(tenant, window), experience: experienceId },
      );
      return rows.map(({ bar, runs }) => ({ upToS: 2 ** (Number(bar) / 4), count: Number(runs) }));
    },

    async funnel(tenant, window, experienceId) {
      const params = { ...paramsOf(tenant, window), experience: experienceId };
      const steps = await read<StepRow>(
        `SELECT step, countIf(first = 1) AS runs, avgIf(place, first = 1 AND state = 'succeeded') AS usual_place,
           avgIf(place, first = 1) AS any_place, countIf(first = 1 AND state = 'succeeded') AS succeeded,
           quantilesExactIf(0.5, 0.95, 0.99)(gap_ms / 1000, following <> '') AS gaps, countIf(following <> '') AS followed,
           topKIf(1)(following, following <> '' AND state = 'succeeded') AS usual_next
         FROM (SELECT state, way[place].2 AS step, place, arrayEnumerateUniq(arrayMap(x -> x.2, way))[place] AS first,
             if(place < length(way), way[place + 1].2, '') AS following,
             if(place < length(way), way[place + 1].1 - way[place].1, 0) AS gap_ms
           FROM (${journeys}) ARRAY JOIN arrayEnumerate(way) AS place)
         GROUP BY step ORDER BY succeeded = 0, if(succeeded = 0, any_place, usual_place), step LIMIT ${maxSteps}`,
        params,
      );
      const died = await read<{ step: string; runs: string | number }>(
        `SELECT way[-1].2 AS step, count() AS runs FROM (${journeys}) WHERE state = 'timed_out'
         GROUP BY step ORDER BY runs DESC, step LIMIT ${maxSteps}`,
        params,
      );
      const [total] = await read<{ runs: string | number }>(
        `SELECT count() AS runs FROM experience_verdicts FINAL
         WHERE ${inWindow} AND covered_experience_id = {experience:String} AND ${ended}`,
        params,
      );
      return {
        runs: Number(total?.runs ?? 0),
        steps: steps.map((row) => {
          const [p50, p95, p99] = Number(row.followed) === 0 ? [] : row.gaps;
          return {
            step: row.step,
            runs: Number(row.runs),
            gapP50S: p50 ?? null,
            gapP95S: p95 ?? null,
            gapP99S: p99 ?? null,
            usualNext: row.usual_next[0] ?? null,
          };
        }),
        diedAfter: died.map(({ step, runs }) => ({ step, count: Number(runs) })),
      };
    },

    async gapSeconds({ fromMs, toMs }) {
      const rows = await read<{ from_ms: string | number; to_ms: string | number }>(
        `SELECT toUnixTimestamp64Milli("from") AS from_ms, toUnixTimestamp64Milli("to") AS to_ms FROM experience_gaps FINAL
         WHERE "to" > fromUnixTimestamp64Milli({from:Int64}) AND "from" < fromUnixTimestamp64Milli({to:Int64})
         ORDER BY "from" LIMIT 10000`,
        { from: fromMs, to: toMs },
      );
      // Gaps of several replicas may overlap.
      let seconds = 0;
      let countedUntilMs = fromMs;
      for (const row of rows) {
        const startMs = Math.max(countedUntilMs, Number(row.from_ms));
        const endMs = Math.min(toMs, Number(row.to_ms));
        if (endMs > startMs) seconds += (endMs - startMs) / 1000;
        countedUntilMs = Math.max(countedUntilMs, endMs);
      }
      return seconds;
    },
  };
}

interface FigureRow {
  readonly operations: string | number;
  readonly errors: string | number;
  readonly timeouts: string | number;
  readonly apdex_weight: string | number;
  readonly apdex_success_count: string | number;
  readonly durations: readonly number[];
  readonly timed: string | number;
}

interface ExperienceRow extends FigureRow {
  readonly covered_experience_id: string;
  readonly late_success: string | number;
  readonly discards: string | number;
  readonly timeouts_in_gap: string | number;
}

interface SeriesRow extends FigureRow {
  readonly covered_experience_id: string;
  readonly part: string | number;
}

interface StepRow {
  readonly step: string;
  readonly runs: string | number;
  readonly gaps: readonly number[];
  readonly followed: string | number;
  readonly usual_next: readonly string[];
}

/** Wide numbers come as text. */
function figuresOf(row: FigureRow): Figures {
  return {
    operations: Number(row.operations),
    errors: Number(row.errors),
    timeouts: Number(row.timeouts),
    apdexWeight: Number(row.apdex_weight),
    apdexSuccess: Number(row.apdex_success_count),
  };
}

function durationsOf(row: FigureRow | undefined) {
  const [p50, p95, p99] = row === undefined || Number(row.timed) === 0 ? [] : row.durations;
  return { p50S: p50 ?? null, p95S: p95 ?? null, p99S: p99 ?? null };
}
