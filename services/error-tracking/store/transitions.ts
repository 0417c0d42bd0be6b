import type { Database, TransactionHandle } from "@signalbox/database";
import { overRows, runOverRows } from "./json-rows.js";
import type { IssueStatus, IssueSubstatus } from "./tables.js";

/** An issue whose status can be changed by an event. */
export interface MovableIssue {
  readonly id: number;
  readonly project_id: number;
  readonly short_number: number;
  readonly title: string;
  readonly status: IssueStatus;
  readonly substatus: IssueSubstatus;
  readonly status_changed_at_ms: number;
  readonly resolution: string | null;
  readonly ignore_conditions: string | null;
  readonly event_count: number;
  readonly first_seen_ms: number;
}

const readMovable = overRows(`
  select issue.id, issue.project_id, issue.short_number, issue.title, issue.status, issue.substatus,
    issue.status_changed_at_ms, issue.resolution, issue.ignore_conditions, issue.event_count, issue.first_seen_ms
  from $rows join error_issues as issue on issue.id = $int(0)
  where issue.status <> 'unresolved' or issue.substatus = 'ongoing'`);

/** Of these issues those that an event can move: all but the unresolved ones that are new or back. */
export async function readMovableIssues(
  database: Database,
  issueIds: readonly number[],
  transaction: TransactionHandle,
): Promise<MovableIssue[]> {
  return runOverRows<MovableIssue>(
    database,
    readMovable,
    issueIds.map((id) => [id]),
    transaction,
  );
}

export interface StatusMove {
  readonly projectId: number;
  readonly issueId: number;
  readonly status: IssueStatus;
  readonly substatus: IssueSubstatus;
  readonly resolution?: string | null;
  readonly ignoreConditions?: string | null;
}

const move = overRows(`
  update error_issues set status = next.status, substatus = next.substatus, status_changed_at_ms = next.at_ms,
    resolution = next.resolution, ignore_conditions = next.ignore_conditions
  from (select $int(0) as id, $1 as status, $2 as substatus, $int(3) as at_ms, $4 as resolution,
      $5 as ignore_conditions from $rows) as next
  where error_issues.id = next.id`);

/** Gives issues of locked projects their new status. */
export async function setStatuses(
  database: Database,
  moves: readonly StatusMove[],
  atMs: number,
  transaction: TransactionHandle,
): Promise<void> {
  const rows = moves.map(({ issueId, status, substatus, resolution = null, ignoreConditions = null }) => [
    issueId,
    status,
    substatus,
    atMs,
    resolution,
    ignoreConditions,
  ]);
  await runOverRows(database, move, rows, transaction);
}

export interface Activity {
  readonly projectId: number;
  readonly issueId: number;
  /** Subject of a token; empty when the system did it. */
  readonly actor: string;
  readonly kind: string;
  readonly detail: object;
}

const note = overRows(`
  insert into error_activity (project_id, issue_id, at_ms, actor, kind, detail)
  select $int(0), $int(1), $int(2), $3, $4, $5 from $rows`);

export async function noteActivity(
  database: Database,
  activities: readonly Activity[],
  atMs: number,
  transaction: TransactionHandle,
): Promise<void> {
  const rows = activities.map(({ projectId, issueId, actor, kind, detail }) => [
    projectId,
    issueId,
    atMs,
    actor,
    kind,
    JSON.stringify(detail),
  ]);
  await runOverRows(database, note, rows, transaction);
}

const slotsOfIssues = (table: "error_hash_hours" | "error_hash_minutes", slot: "hour" | "minute") =>
  overRows(`
    select owned.issue_id, counted.${slot} as slot, sum(counted.events) as events
    from $rows
    join error_hashes as owned on owned.issue_id = $int(0)
    join ${table} as counted on counted.project_id = owned.project_id and counted.hash = owned.hash
    where counted.${slot} >= $int(1)
    group by owned.issue_id, counted.${slot}`);

const hoursOfIssues = slotsOfIssues("error_hash_hours", "hour");
const minutesOfIssues = slotsOfIssues("error_hash_minutes", "minute");

/** Exact events of an issue in one hour or minute since the epoch. */
export interface SlotCount {
  readonly slot: number;
  readonly events: number;
}

/** Events of issues from a slot on, by issue. */
export async function readSlots(
  database: Database,
  unit: "hour" | "minute",
  issues: readonly { readonly issueId: number; readonly fromSlot: number }[],
  transaction: TransactionHandle,
): Promise<Map<number, SlotCount[]>> {
  const rows = await runOverRows<{ issue_id: number; slot: number; events: number }>(
    database,
    unit === "hour" ? hoursOfIssues : minutesOfIssues,
    issues.map(({ issueId, fromSlot }) => [issueId, fromSlot]),
    transaction,
  );
  const byIssue = new Map<number, SlotCount[]>();
  for (const { issue_id, slot, events } of rows) {
    const counts = byIssue.get(issue_id) ?? [];
    counts.push({ slot, events: Number(events) });
    byIssue.set(issue_id, counts);
  }
  return byIssue;
}
