import type { Database, TransactionHandle } from "@signalbox/database";
import { type DigestedEvent, primaryHashOf } from "../digest/digested-event.js";
import type { IssueOfEvent } from "./assign-issues.js";
import { type HashCount, hashKey } from "./hashes.js";
import { overRows, runOverRows } from "./json-rows.js";

/**
 * For how many events the n-th one of a kind and hour stands: 1 for the first `keepPerHour`; beyond, each time the hour has
 * doubled only half as many are kept, and each of them stands for twice as many. 0: it is not kept.
 */
export function sampleWeightOf(n: number, keepPerHour: number): number {
  if (n <= keepPerHour) return 1;
  const step = 2 ** (1 + Math.floor(Math.log2(n / keepPerHour)));
  return n % step === 0 ? step : 0;
}

export interface StormOptions {
  readonly keepPerHour: number;
  /** Events that are kept whatever their number: those that made or moved an issue. */
  readonly kept: ReadonlySet<DigestedEvent>;
}

/**
 * The events of a batch that do not stand for themselves alone, with what they stand for. `hours` is what the hours of
 * their hashes hold with them. The first event of each release and environment of an issue is kept as well. The
 * projects must be locked.
 */
export async function sampleStorm(
  database: Database,
  issues: readonly IssueOfEvent[],
  hours: readonly HashCount[],
  { keepPerHour, kept }: StormOptions,
  transaction: TransactionHandle,
): Promise<ReadonlyMap<DigestedEvent, number>> {
  const storms = new Map(
    hours.filter(({ events }) => Number(events) > keepPerHour).map((cell) => [cellOf(cell, cell.slot), cell.events]),
  );
  const weights = new Map<DigestedEvent, number>();
  if (storms.size === 0) return weights;
  const numbers = numberEvents(issues, storms);
  const surplus: IssueOfEvent[] = [];
  for (const issue of issues) {
    const n = numbers.get(issue.digested);
    if (n === undefined) continue;
    const weight = sampleWeightOf(n, keepPerHour);
    if (weight !== 1) weights.set(issue.digested, weight);
    if (weight === 0) surplus.push(issue);
  }
  const inStorm = issues.filter(({ digested }) => numbers.has(digested));
  for (const first of await findFirsts(database, inStorm, transaction))
    if (weights.get(first) === 0) weights.delete(first);
  for (const { digested } of surplus) if (kept.has(digested)) weights.delete(digested);
  return weights;
}

function cellOf(key: Parameters<typeof hashKey>[0], hour: number): string {
  return `${hashKey(key)} ${hour}`;
}

/** The number of each event among those of its hash and hour, in the order of the batch. */
function numberEvents(
  issues: readonly IssueOfEvent[],
  storms: ReadonlyMap<string, number>,
): Map<DigestedEvent, number> {
  const last = new Map([...storms].map(([cell, events]) => [cell, Number(events)]));
  const numbers = new Map<DigestedEvent, number>();
  for (const { digested } of [...issues].reverse()) {
    const key = { projectId: digested.projectId, hash: primaryHashOf(digested) };
    const cell = cellOf(key, Math.floor(digested.timestampMs / 3_600_000));
    const n = last.get(cell);
    if (n === undefined) continue;
    numbers.set(digested, n);
    last.set(cell, n - 1);
  }
  return numbers;
}

/** Releases and environments of one issue that are told apart. */
const maxFirsts = 100;

const readFirsts = overRows(`
  select known.issue_id, known.kind, known.value from $rows
  join error_issue_firsts as known on known.issue_id = $int(0)`);

const insertFirsts = overRows(`
  insert into error_issue_firsts (project_id, issue_id, kind, value)
  select $int(0), $int(1), $2, $3 from $rows where true
  on conflict (issue_id, kind, value) do nothing`);

interface FirstRow {
  readonly issue_id: number;
  readonly kind: string;
  readonly value: string;
}

/** Events that are the first in a storm of their issue to name their release or environment; remembered as such. */
async function findFirsts(
  database: Database,
  issues: readonly IssueOfEvent[],
  transaction: TransactionHandle,
): Promise<DigestedEvent[]> {
  const ids = [...new Set(issues.map(({ issueId }) => issueId))];
  const rows = await runOverRows<FirstRow>(
    database,
    readFirsts,
    ids.map((id) => [id]),
    transaction,
  );
  const known = new Map<string, Set<string>>();
  const knownOf = (issueId: number, kind: string): Set<string> => {
    const values = known.get(`${issueId} ${kind}`) ?? new Set<string>();
    known.set(`${issueId} ${kind}`, values);
    return values;
  };
  for (const { issue_id: issueId, kind, value } of rows) knownOf(issueId, kind).add(value);
  const firsts = new Set<DigestedEvent>();
  const added: (string | number)[][] = [];
  for (const { digested, issueId } of issues) {
    const { projectId, release, environment } = digested;
    for (const [kind, value] of [["release", release] as const, ["environment", environment] as const]) {
      if (value === undefined || value === "") continue;
      const values = knownOf(issueId, kind);
      if (values.has(value) || values.size >= maxFirsts) continue;
      values.add(value);
      firsts.add(digested);
      added.push([projectId, issueId, kind, value]);
    }
  }
  await runOverRows(database, insertFirsts, added, transaction);
  return [...firsts];
}
