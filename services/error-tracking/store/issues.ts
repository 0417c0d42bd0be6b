import type { Database, TransactionHandle } from "@signalbox/database";
import type { Place } from "../digest/title.js";
import { keepPositions } from "./issue-totals.js";
import { overRows, runOverRows } from "./json-rows.js";

/** What one batch adds to one issue. */
export interface IssueGrowth {
  readonly events: number;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  /** The program did not catch one of them. */
  readonly unhandled: boolean;
  /** Releases of the events with the earliest and the latest receipt, of those that name one. */
  readonly firstRelease: ReleaseSighting | undefined;
  readonly lastRelease: ReleaseSighting | undefined;
}

export interface ReleaseSighting {
  readonly release: string;
  readonly receivedAtMs: number;
}

export interface NewIssue {
  readonly projectId: number;
  readonly shortNumber: number;
  readonly title: string;
  readonly name: string;
  readonly description: string;
  readonly culprit: string;
  readonly place: Place;
  readonly level: string;
  readonly platform: string;
  readonly changeSeq: number;
  readonly growth: IssueGrowth;
}

const insert = overRows(`
  insert into error_issues (
    project_id, short_number, title, name, description, culprit, level, platform,
    status, substatus, status_changed_at_ms, first_seen_ms, last_seen_ms,
    first_release, first_release_at_ms, last_release, last_release_at_ms,
    event_count, user_count, change_seq, created_seq, created_at_ms,
    place_file, place_function, unhandled)
  select
    $int(0), $int(1), $2, $3, $4, $5, $6, $7,
    'unresolved', 'new', $int(8), $int(9), $int(10),
    $11, $int(12), $13, $int(14),
    $int(15), 0, $int(16), $int(16), $int(8),
    $17, $18, $int(19)
  from $rows
  returning id, project_id, short_number`);

/** Makes issues of locked projects; returns their ids by project and short number. */
export async function insertIssues(
  database: Database,
  issues: readonly NewIssue[],
  nowMs: number,
  transaction: TransactionHandle,
): Promise<Map<string, number>> {
  const rows = issues.map((issue) => [
    issue.projectId,
    issue.shortNumber,
    issue.title,
    issue.name,
    issue.description,
    issue.culprit,
    issue.level,
    issue.platform,
    nowMs,
    issue.growth.firstSeenMs,
    issue.growth.lastSeenMs,
    ...releaseColumns(issue.growth),
    issue.growth.events,
    issue.changeSeq,
    issue.place.file,
    issue.place.function,
    Number(issue.growth.unhandled),
  ]);
  const made = await runOverRows<{ id: number; project_id: number; short_number: number }>(
    database,
    insert,
    rows,
    transaction,
  );
  return new Map(made.map((row) => [shortKey(row.project_id, row.short_number), row.id]));
}

export function shortKey(projectId: number, shortNumber: number): string {
  return `${projectId}:${shortNumber}`;
}

const grow = overRows(`
  update error_issues set
    event_count = event_count + more.events,
    first_seen_ms = case when more.first_seen_ms < error_issues.first_seen_ms
      then more.first_seen_ms else error_issues.first_seen_ms end,
    last_seen_ms = case when more.last_seen_ms > error_issues.last_seen_ms
      then more.last_seen_ms else error_issues.last_seen_ms end,
    first_release = case when more.first_release_at_ms < coalesce(error_issues.first_release_at_ms, more.first_release_at_ms + 1)
      then more.first_release else error_issues.first_release end,
    first_release_at_ms = case when more.first_release_at_ms < coalesce(error_issues.first_release_at_ms, more.first_release_at_ms + 1)
      then more.first_release_at_ms else error_issues.first_release_at_ms end,
    last_release = case when more.last_release_at_ms >= coalesce(error_issues.last_release_at_ms, more.last_release_at_ms)
      then more.last_release else error_issues.last_release end,
    last_release_at_ms = case when more.last_release_at_ms >= coalesce(error_issues.last_release_at_ms, more.last_release_at_ms)
      then more.last_release_at_ms else error_issues.last_release_at_ms end,
    unhandled = case when more.unhandled > error_issues.unhandled then more.unhandled else error_issues.unhandled end,
    change_seq = more.change_seq
  from (
    select $int(0) as id, $int(1) as change_seq, $int(2) as events, $int(3) as first_seen_ms, $int(4) as last_seen_ms,
      $5 as first_release, $int(6) as first_release_at_ms, $7 as last_release, $int(8) as last_release_at_ms,
      $int(9) as unhandled
    from $rows
  ) as more
  where error_issues.id = more.id`);

/** Adds events to issues of locked projects, and remembers where the issues stood before. */
export async function growIssues(
  database: Database,
  issues: readonly { readonly issueId: number; readonly changeSeq: number; readonly growth: IssueGrowth }[],
  nowMs: number,
  transaction: TransactionHandle,
): Promise<void> {
  await keepPositions(database, issues, nowMs, transaction);
  const rows = issues.map(({ issueId, changeSeq, growth }) => [
    issueId,
    changeSeq,
    growth.events,
    growth.firstSeenMs,
    growth.lastSeenMs,
    ...releaseColumns(growth),
    Number(growth.unhandled),
  ]);
  await runOverRows(database, grow, rows, transaction);
}

function releaseColumns({ firstRelease, lastRelease }: IssueGrowth): (string | number | null)[] {
  return [
    firstRelease?.release ?? null,
    firstRelease?.receivedAtMs ?? null,
    lastRelease?.release ?? null,
    lastRelease?.receivedAtMs ?? null,
  ];
}

const setUsers = overRows(`
  update error_issues set user_count = seen.users
  from (select $int(0) as id, $int(1) as users from $rows) as seen
  where error_issues.id = seen.id and error_issues.user_count < seen.users`);

/** Sets counts that are higher than the known ones: of two workers the one that counted first may come last. */
export async function setUserCounts(
  database: Database,
  counts: ReadonlyMap<number, number>,
  transaction: TransactionHandle,
): Promise<void> {
  await runOverRows(database, setUsers, [...counts], transaction);
}
