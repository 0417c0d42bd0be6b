import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import { isoTime } from "../normalise/times.js";
import { overRows, runOverRows } from "../store/json-rows.js";
import type { CountedEvent } from "./digested-event.js";

const hashesOfIssues = overRows(`
  select known.project_id, known.hash, known.issue_id, issue.first_seen_ms from $rows
  join error_hashes as known on known.issue_id = $int(0)
  join error_issues as issue on issue.id = $int(0)`);

const countUsersSql = `
  SELECT transform(toString(primary_hash), {hashes:Array(String)}, {issues:Array(UInt64)}, toUInt64(0)) AS issue,
    uniqCombined64Merge(17)(users) AS users
  FROM error_users
  WHERE project_id IN {projects:Array(UInt64)} AND primary_hash IN {hashes:Array(UUID)} AND day >= {since:Date}
  GROUP BY issue`;

/** How many users each issue has that these events touched with one; read after their rows were written. */
export async function countUsersOf(
  database: Database,
  analytics: Analytics,
  events: readonly CountedEvent[],
): Promise<Map<number, number>> {
  const withUser = events.filter(({ digested }) => digested.userHash !== undefined);
  return countUsers(database, analytics, [...new Set(withUser.map(({ issueId }) => issueId))]);
}

/** How many users each of these issues has; issues without any are missing. */
export async function countUsers(
  database: Database,
  analytics: Analytics,
  issueIds: readonly number[],
): Promise<Map<number, number>> {
  const owned = await runOverRows<{ project_id: number; hash: string; issue_id: number; first_seen_ms: number }>(
    database,
    hashesOfIssues,
    issueIds.map((id) => [id]),
  );
  if (owned.length === 0) return new Map();
  const rows = await analytics.query<{ issue: string; users: string }>(countUsersSql, {
    projects: [...new Set(owned.map((row) => row.project_id))],
    hashes: owned.map((row) => dashed(row.hash)),
    issues: owned.map((row) => row.issue_id),
    // Nobody met an issue before it was seen.
    since: isoTime(Math.min(...owned.map((row) => row.first_seen_ms))).slice(0, 10),
  });
  return new Map(rows.map((row) => [Number(row.issue), Number(row.users)]));
}

/** A hash as the engine writes a UUID. */
export function dashed(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
