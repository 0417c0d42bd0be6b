import type { Database, TransactionHandle } from "@signalbox/database";
import { overRows, runOverRows } from "./json-rows.js";

/** Remembers where issues of a locked project stand before something moves them in a list. */
export async function keepPositions(
  database: Database,
  issues: readonly { readonly issueId: number; readonly changeSeq: number }[],
  nowMs: number,
  transaction: TransactionHandle,
): Promise<void> {
  const rows = issues.map(({ issueId, changeSeq }) => [issueId, changeSeq, nowMs]);
  await runOverRows(database, insertPositions, rows, transaction);
}

const insertPositions = overRows(`
  insert into error_issue_positions
    (project_id, issue_id, change_seq, first_seen_ms, last_seen_ms, event_count, recorded_at_ms)
  select issue.project_id, issue.id, $int(1), issue.first_seen_ms, issue.last_seen_ms, issue.event_count, $int(2)
  from $rows join error_issues as issue on issue.id = $int(0)
  where true
  on conflict (project_id, issue_id, change_seq) do nothing`);

const sumHashes = overRows(`
  update error_issues set
    event_count = coalesce((select sum(owned.event_count) from error_hashes as owned where owned.issue_id = error_issues.id), 0),
    change_seq = changed.change_seq
  from (select $int(0) as id, $int(1) as change_seq from $rows) as changed
  where error_issues.id = changed.id`);

/** Makes the count of each issue the sum of its hashes again, after some of them came or went. */
export async function recountIssues(
  database: Database,
  issues: readonly { readonly issueId: number; readonly changeSeq: number }[],
  transaction: TransactionHandle,
): Promise<void> {
  const rows = issues.map(({ issueId, changeSeq }) => [issueId, changeSeq]);
  await runOverRows(database, sumHashes, rows, transaction);
}
