import type { Database, TransactionHandle } from "@signalbox/database";
import { overRows, runOverRows } from "./json-rows.js";

export interface HashKey {
  readonly projectId: number;
  readonly hash: string;
}

export function hashKey({ projectId, hash }: HashKey): string {
  return `${projectId}:${hash}`;
}

const read = overRows(`
  select known.project_id, known.hash, known.issue_id from $rows
  join error_hashes as known on known.project_id = $int(0) and known.hash = $1`);

/** The issue of each hash that is owned by one. */
export async function readOwners(
  database: Database,
  hashes: Iterable<HashKey>,
  transaction: TransactionHandle,
): Promise<Map<string, number>> {
  const rows = [...hashes].map(({ projectId, hash }) => [projectId, hash]);
  const owners = await runOverRows<{ project_id: number; hash: string; issue_id: number }>(
    database,
    read,
    rows,
    transaction,
  );
  return new Map(owners.map((row) => [hashKey({ projectId: row.project_id, hash: row.hash }), row.issue_id]));
}

export interface NewHash extends HashKey {
  readonly issueId: number;
  readonly version: number;
  readonly strategy: string;
  readonly variant: string;
  readonly explanation: string;
}

const insert = overRows(`
  insert into error_hashes
    (project_id, hash, issue_id, version, strategy, variant, explanation, event_count, created_at_ms)
  select $int(0), $1, $int(2), $int(3), $4, $5, $6, 0, $int(7) from $rows`);

/** Attaches hashes that nobody owns. The project must be locked. */
export async function insertHashes(
  database: Database,
  hashes: readonly NewHash[],
  nowMs: number,
  transaction: TransactionHandle,
): Promise<void> {
  const rows = hashes.map(({ projectId, hash, issueId, version, strategy, variant, explanation }) => [
    projectId,
    hash,
    issueId,
    version,
    strategy,
    variant,
    explanation,
    nowMs,
  ]);
  await runOverRows(database, insert, rows, transaction);
}

/** Events of one hash in one hour or minute since the epoch. */
export interface HashCount extends HashKey {
  readonly slot: number;
  readonly events: number;
}

const countTotals = overRows(`
  update error_hashes set event_count = event_count + more.events
  from (select $int(0) as project_id, $1 as hash, $int(2) as events from $rows) as more
  where error_hashes.project_id = more.project_id and error_hashes.hash = more.hash`);

const countHours = overRows(`
  insert into error_hash_hours (project_id, hash, hour, events)
  select $int(0), $1, $int(2), $int(3) from $rows where true
  on conflict (project_id, hash, hour) do update set events = error_hash_hours.events + excluded.events
  returning project_id, hash, hour, events`);

const countMinutes = overRows(`
  insert into error_hash_minutes (project_id, hash, minute, events)
  select $int(0), $1, $int(2), $int(3) from $rows where true
  on conflict (project_id, hash, minute) do update set events = error_hash_minutes.events + excluded.events`);

/**
 * Adds events to their hashes: in total, by hour, and by minute where `minutes` has them. Returns what the hours hold
 * now.
 */
export async function countHashes(
  database: Database,
  counts: {
    readonly totals: readonly (HashKey & { readonly events: number })[];
    readonly hours: readonly HashCount[];
    readonly minutes: readonly HashCount[];
  },
  transaction: TransactionHandle,
): Promise<HashCount[]> {
  const totals = counts.totals.map(({ projectId, hash, events }) => [projectId, hash, events]);
  await runOverRows(database, countTotals, totals, transaction);
  const hours = await runOverRows<{ project_id: number; hash: string; hour: number; events: number }>(
    database,
    countHours,
    counts.hours.map(countRow),
    transaction,
  );
  await runOverRows(database, countMinutes, counts.minutes.map(countRow), transaction);
  return hours.map(({ project_id: projectId, hash, hour: slot, events }) => ({ projectId, hash, slot, events }));
}

function countRow({ projectId, hash, slot, events }: HashCount): [number, string, number, number] {
  return [projectId, hash, slot, events];
}
