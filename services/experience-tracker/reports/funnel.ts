import { isOperation, ofExperience, type ReadReport, type ReportWindow, type Wide, windowParams } from "./window.js";

/** What a step is: the component that sent it, and its category, or else which kind of checkpoint it is. */
export interface Step {
  readonly type: string;
  readonly step: string;
}

export interface FunnelStep extends Step {
  readonly runs: number;
  /** From this step to the next one of the same run, in seconds; null when nothing followed. */
  readonly gapP50S: number | null;
  readonly gapP95S: number | null;
  readonly gapP99S: number | null;
  /** What follows it most often in runs that succeed. */
  readonly usualNext: Step | null;
}

export interface Funnel {
  /** Runs that ended or timed out. */
  readonly runs: number;
  /** Of these: looked at. All of them, unless they are very many. */
  readonly lookedAt: number;
  readonly steps: readonly FunnelStep[];
  /** The last step of runs that timed out. */
  readonly diedAfter: readonly (Step & { readonly count: number; readonly usualNext: Step | null })[];
}

const maxSteps = 200;
/** Categories that are told apart; the others are one step. */
export const maxCategories = 50;
const otherCategory = "other";
/** Beyond as many runs an even sample of them is looked at: it shows the same way, and memory stays bounded. */
const maxRuns = 200_000;
/** How far the checkpoints of a run may lie from its verdict: two timeouts of a week and the day of a wrong clock. */
const aroundMs = 16 * 86_400_000;

const inMonths = `server_timestamp >= fromUnixTimestamp64Milli({from:Int64} - ${aroundMs})
  AND server_timestamp < fromUnixTimestamp64Milli({to:Int64} + ${aroundMs})`;
const isSampled = (column: string): string => `cityHash64(${column}) % {every:UInt32} = 0`;
const step = `(type, multiIf(checkpoint_category = '', checkpoint,
  has({categories:Array(String)}, checkpoint_category), checkpoint_category, '${otherCategory}'))`;
const noStep = "('', '')";

/** The way that each run took, in the order in which things happened. */
const ways = `
  SELECT verdict.state AS state,
    arrayMap(x -> (x.1, x.5), arraySort(groupArray((toUnixTimestamp64Milli(occurred_at), ifNull(sequence, 0),
      toUnixTimestamp64Milli(server_timestamp), indexOf(['start', 'intermediate', 'end'], checkpoint), ${step})))) AS way
  FROM (SELECT correlation_id, run, occurred_at, server_timestamp, sequence, type, checkpoint, checkpoint_category
    FROM experience_checkpoints FINAL
    WHERE tenant = {tenant:String} AND covered_experience_id = {experience:String} AND ${inMonths}
      AND applied AND ${isSampled("correlation_id")}) AS sent
  INNER JOIN (SELECT correlation_id, run, state FROM experience_verdicts FINAL
    WHERE ${ofExperience} AND ${isOperation} AND ${isSampled("correlation_id")}) AS verdict
  ON sent.correlation_id = verdict.correlation_id AND sent.run = verdict.run
  GROUP BY verdict.correlation_id, verdict.run, verdict.state`;

/**
 * How far runs come. Steps are in the order of their median place in runs that succeed; those that no such run has come
 * last.
 */
export async function readFunnel(
  read: ReadReport,
  tenant: string,
  window: ReportWindow,
  experience: { readonly id: string; readonly categories: readonly string[] },
): Promise<Funnel> {
  const base = { ...windowParams(tenant, window), experience: experience.id };
  const [total] = await read<{ readonly runs: Wide }>(
    `SELECT count() AS runs FROM experience_verdicts FINAL WHERE ${ofExperience} AND ${isOperation}`,
    base,
  );
  const runs = Number(total?.runs ?? 0);
  const every = Math.max(1, Math.ceil(runs / maxRuns));
  const categories = await readCategories(read, experience.categories, base);
  const params = { ...base, categories, every };
  const rows = await read<StepRow>(
    `SELECT step.1 AS type, step.2 AS name, countIf(first = 1) AS runs,
       quantileExactInclusiveIf(0.5)(place, first = 1 AND state = 'succeeded') AS usual_place,
       quantileExactInclusiveIf(0.5)(place, first = 1) AS any_place,
       countIf(first = 1 AND state = 'succeeded') AS succeeded,
       quantilesExactIf(0.5, 0.95, 0.99)(gap_ms / 1000, following <> ${noStep}) AS gaps,
       countIf(following <> ${noStep}) AS followed,
       countIf(following = ${noStep} AND state = 'timed_out') AS died
     FROM (SELECT state, way[place].2 AS step, place, arrayEnumerateUniq(arrayMap(x -> x.2, way))[place] AS first,
         if(place < length(way), way[place + 1].2, ${noStep}) AS following,
         if(place < length(way), way[place + 1].1 - way[place].1, 0) AS gap_ms
       FROM (${ways}) ARRAY JOIN arrayEnumerate(way) AS place)
     GROUP BY step ORDER BY succeeded = 0, if(succeeded = 0, any_place, usual_place), type, name LIMIT ${maxSteps}`,
    params,
  );
  const [sample] =
    every === 1
      ? [{ runs }]
      : await read<{ readonly runs: Wide }>(
          `SELECT count() AS runs FROM experience_verdicts FINAL
           WHERE ${ofExperience} AND ${isOperation} AND ${isSampled("correlation_id")}`,
          params,
        );
  const next = await readUsualNext(read, params);
  const steps = rows.map((row): FunnelStep => {
    const [p50, p95, p99] = Number(row.followed) === 0 ? [] : row.gaps;
    return {
      type: row.type,
      step: row.name,
      runs: Number(row.runs),
      gapP50S: p50 ?? null,
      gapP95S: p95 ?? null,
      gapP99S: p99 ?? null,
      usualNext: next.get(keyOf(row.type, row.name)) ?? null,
    };
  });
  const diedAfter = rows
    .map(({ type, name, died }) => ({ type, step: name, count: Number(died) }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count || compareText(keyOf(a.type, a.step), keyOf(b.type, b.step)))
    .map((died) => ({ ...died, usualNext: next.get(keyOf(died.type, died.step)) ?? null }));
  return { runs, lookedAt: Number(sample?.runs ?? 0), steps, diedAfter };
}

/** What follows most often, counted, not estimated; of equals the first by name. */
async function readUsualNext(read: ReadReport, params: Record<string, unknown>): Promise<ReadonlyMap<string, Step>> {
  const rows = await read<NextRow>(
    `SELECT step.1 AS type, step.2 AS name, following.1 AS next_type, following.2 AS next_name
     FROM (SELECT way[place].2 AS step, way[place + 1].2 AS following
       FROM (${ways}) ARRAY JOIN arrayEnumerate(way) AS place WHERE state = 'succeeded' AND place < length(way))
     GROUP BY step, following ORDER BY count() DESC, following LIMIT 1 BY step`,
    params,
  );
  return new Map(rows.map((row) => [keyOf(row.type, row.name), { type: row.next_type, step: row.next_name }] as const));
}

/** The definition's own categories first, then those that were seen first. */
async function readCategories(
  read: ReadReport,
  own: readonly string[],
  params: Record<string, unknown>,
): Promise<readonly string[]> {
  const free = maxCategories - own.length;
  if (free <= 0) return own.slice(0, maxCategories);
  const rows = await read<{ readonly category: string }>(
    `SELECT checkpoint_category AS category FROM experience_checkpoints
     WHERE tenant = {tenant:String} AND covered_experience_id = {experience:String}
       AND checkpoint_category <> '' AND NOT has({own:Array(String)}, checkpoint_category)
     GROUP BY category ORDER BY min(server_timestamp), category LIMIT ${free}`,
    { ...params, own },
  );
  return [...own, ...rows.map(({ category }) => category)];
}

interface StepRow {
  readonly type: string;
  readonly name: string;
  readonly runs: Wide;
  readonly gaps: readonly number[];
  readonly followed: Wide;
  readonly died: Wide;
}

interface NextRow {
  readonly type: string;
  readonly name: string;
  readonly next_type: string;
  readonly next_name: string;
}

function keyOf(type: string, name: string): string {
  return `${type} ${name}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
