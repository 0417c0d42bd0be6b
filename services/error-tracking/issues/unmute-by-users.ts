import type { Analytics } from "@signalbox/analytics";
import type { Database, TransactionHandle } from "@signalbox/database";
import type { CountedEvent } from "../digest/digested-event.js";
import { dashed } from "../digest/user-counts.js";
import { lockProjects } from "../store/counters.js";
import { overRows, runOverRows } from "../store/json-rows.js";
import { type MovedIssue, recordMoves } from "../store/move-issues.js";
import { type MovableIssue, readMovableIssues } from "../store/transitions.js";
import { type IgnoreConditions, readIgnoreConditions } from "./ignore-conditions.js";

const ignored = overRows(`
  select issue.id, issue.ignore_conditions, issue.status_changed_at_ms, owned.project_id, owned.hash from $rows
  join error_issues as issue on issue.id = $int(0)
  join error_hashes as owned on owned.issue_id = issue.id
  where issue.status = 'ignored' and issue.ignore_conditions like '%"users"%'`);

interface IgnoredHash {
  readonly id: number;
  readonly ignore_conditions: string;
  readonly status_changed_at_ms: number;
  readonly project_id: number;
  readonly hash: string;
}

/** Issues that were met by as many users as they were ignored until; read after the rows of these events were written. */
export async function findIssuesWithEnoughUsers(
  database: Database,
  analytics: Analytics,
  written: readonly CountedEvent[],
  nowMs: number,
): Promise<Map<number, CountedEvent>> {
  const newest = new Map(written.map((event) => [event.issueId, event]));
  const rows = await runOverRows<IgnoredHash>(
    database,
    ignored,
    [...newest.keys()].map((id) => [id]),
  );
  const byIssue = new Map<number, IgnoredHash[]>();
  for (const row of rows) byIssue.set(row.id, [...(byIssue.get(row.id) ?? []), row]);
  const enough = new Map<number, CountedEvent>();
  for (const [issueId, hashes] of byIssue) {
    const [{ ignore_conditions, status_changed_at_ms, project_id } = neverIgnored] = hashes;
    const conditions = readIgnoreConditions(ignore_conditions);
    const cause = newest.get(issueId);
    if (conditions?.users === undefined || cause === undefined) continue;
    const sinceMs = sinceOf(conditions, status_changed_at_ms, nowMs);
    const [found] = await analytics.query<{ users: string }>(
      `SELECT uniqExact(user_hash) AS users FROM error_events
      WHERE project_id = {project:UInt64} AND primary_hash IN {hashes:Array(UUID)} AND user_hash <> 0
        AND timestamp > {from:DateTime64(3, 'UTC')} AND received_at > {since:DateTime64(3, 'UTC')}`,
      {
        project: project_id,
        hashes: hashes.map(({ hash }) => dashed(hash)),
        // Times of events may be so much earlier than their receipt.
        from: new Date(sinceMs - 30 * 86_400_000).toISOString(),
        since: new Date(sinceMs).toISOString(),
      },
    );
    if (Number(found?.users) >= conditions.users) enough.set(issueId, cause);
  }
  return enough;
}

const neverIgnored = { ignore_conditions: "{}", status_changed_at_ms: 0, project_id: 0 };

function sinceOf({ windowMs }: IgnoreConditions, ignoredAtMs: number, nowMs: number): number {
  return windowMs === undefined ? ignoredAtMs : Math.max(ignoredAtMs, nowMs - windowMs);
}

/** Ends the ignoring of those that are still ignored until so many users met them. */
export async function unmuteIssues(
  database: Database,
  causes: ReadonlyMap<number, CountedEvent>,
  nowMs: number,
  transaction: TransactionHandle,
): Promise<MovedIssue[]> {
  if (causes.size === 0) return [];
  const projectIds = [...causes.values()].map(({ digested }) => digested.projectId);
  await lockProjects(database, projectIds, transaction);
  const issues = await readMovableIssues(database, [...causes.keys()], transaction);
  const moved = issues.flatMap((issue) => toUnmuted(issue, causes.get(issue.id)) ?? []);
  await recordMoves(database, moved, nowMs, transaction);
  return moved;
}

function toUnmuted(issue: MovableIssue, cause: CountedEvent | undefined): MovedIssue | undefined {
  const isStillIgnored =
    issue.status === "ignored" && readIgnoreConditions(issue.ignore_conditions)?.users !== undefined;
  if (!isStillIgnored || cause === undefined) return undefined;
  return {
    kind: "unmuted",
    projectId: issue.project_id,
    issueId: issue.id,
    shortNumber: issue.short_number,
    cause: cause.digested,
    resolution: undefined,
  };
}
