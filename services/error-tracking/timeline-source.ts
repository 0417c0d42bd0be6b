import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import { allowsProject } from "@signalbox/http";
import { type Clock, systemClock } from "@signalbox/kernel";
import type { TimelineEntry, TimelineSource } from "@signalbox/timeline";
import { withoutDeleted } from "./issues/hidden-events.js";
import type { ProjectTables } from "./migrations/projects-migration.js";
import type { IssueTables } from "./store/tables.js";

interface FoundError {
  readonly project_id: number | string;
  readonly primary_hash: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly title: string;
  readonly level: string;
  readonly environment: string;
  readonly release: string;
  readonly handled: "unknown" | "yes" | "no";
  readonly causation_id: string;
}

/** No project keeps events for longer; some come a month late. */
const longestKeptMs = 400 * 86_400_000;

/** Errors of a timeline: those of the token's projects; the rest is counted. */
export function createErrorTimelineSource(
  analytics: Analytics,
  database: Database,
  clock: Clock = systemClock,
): TimelineSource {
  return {
    name: "errors",
    async find({ correlationIds, principal, limit, signal }) {
      const deleted = await withoutDeleted(database);
      const all = await projectsOf(database);
      const [mine, others] = [
        all.filter((id) => allowsProject(principal, id)),
        all.filter((id) => !allowsProject(principal, id)),
      ];
      const since = new Date(clock.nowMs() - longestKeptMs).toISOString();
      const params = { ids: correlationIds, since, rows: limit + 1, ...deleted.params };
      const meant = `correlation_id IN {ids:Array(String)} AND project_id IN {projects:Array(UInt64)}
            AND timestamp >= {since:DateTime64(3, 'UTC')} ${deleted.sql}`;
      const [rows, [counted]] = await Promise.all([
        analytics.query<FoundError>(
          `SELECT project_id, primary_hash, event_id, timestamp, title, level, environment, release, handled,
            tag_values[indexOf(tag_keys, 'causation_id')] AS causation_id
          FROM error_events FINAL
          WHERE ${meant}
          ORDER BY timestamp, event_id LIMIT {rows:UInt32}
          SETTINGS do_not_merge_across_partitions_select_final = 1`,
          { ...params, projects: mine },
          { signal },
        ),
        others.length === 0
          ? []
          : analytics.query<{ hidden: number | string }>(
              `SELECT count() AS hidden FROM error_events FINAL
              WHERE ${meant}
              SETTINGS do_not_merge_across_partitions_select_final = 1`,
              { ...params, projects: others },
              { signal },
            ),
      ]);
      // The engine was asked for these alone; what decides is the token all the same.
      const visible = rows.filter((row) => allowsProject(principal, Number(row.project_id))).slice(0, limit);
      const issues = await issuesOf(database, visible);
      return {
        entries: visible.map((row) => toEntry(row, issues.get(hashKey(row)))),
        hidden: Number(counted?.hidden ?? 0),
        truncated: rows.length > limit,
      };
    },
  };
}

async function projectsOf(database: Database): Promise<number[]> {
  const rows = await database.reader<ProjectTables>().selectFrom("projects").select("id").execute();
  return rows.map(({ id }) => id);
}

function hashKey({ project_id, primary_hash }: FoundError): string {
  return `${project_id} ${primary_hash.replaceAll("-", "")}`;
}

/** Numbers of the issues, by project and hash. */
async function issuesOf(database: Database, rows: readonly FoundError[]): Promise<ReadonlyMap<string, number>> {
  const hashes = [...new Set(rows.map(({ primary_hash }) => primary_hash.replaceAll("-", "")))];
  if (hashes.length === 0) return new Map();
  const found = await database
    .reader<IssueTables>()
    .selectFrom("error_hashes")
    .select(["project_id", "hash", "issue_id"])
    .where("hash", "in", hashes)
    .execute();
  return new Map(found.map(({ project_id, hash, issue_id }) => [`${project_id} ${hash}`, Number(issue_id)]));
}

function toEntry(row: FoundError, issue: number | undefined): TimelineEntry {
  const project = Number(row.project_id);
  const eventId = row.event_id.replaceAll("-", "");
  const errors = `/api/v1/projects/${project}/errors`;
  return {
    id: `error:${project}.${eventId}`,
    kind: "error",
    atMs: Date.parse(row.timestamp),
    title: row.title === "" ? "An error without a title" : row.title,
    status: row.level,
    outcome: row.level === "error" || row.level === "fatal" ? "failed" : "neutral",
    link: issue === undefined ? errors : `${errors}/${issue}/events/${eventId}`,
    ...(row.causation_id === "" ? {} : { causedBy: `event:${row.causation_id}` }),
    details: {
      project_id: project,
      handled: row.handled,
      ...(issue === undefined ? {} : { issue }),
      ...(row.environment === "" ? {} : { environment: row.environment }),
      ...(row.release === "" ? {} : { release: row.release }),
    },
  };
}
