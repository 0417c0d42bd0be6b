import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import { dashed } from "../digest/user-counts.js";
import { withoutDeleted } from "../issues/hidden-events.js";
import { keptSinceMs } from "../projects/project-settings.js";
import type { IssueTables } from "../store/tables.js";
import { type EventCondition, eventCondition } from "./event-conditions.js";
import {
  type Condition,
  type IssueScope,
  isIssueTerm,
  issueCondition,
  ownsHash,
  speaksOfStatus,
} from "./issue-conditions.js";
import { parseQuery } from "./parse-query.js";

export interface SearchStores {
  readonly database: Database;
  readonly analytics: Analytics;
}

export interface IssueSearch extends IssueScope {
  readonly projectId: number;
  readonly query: string;
  /** Events before it are not looked at. */
  readonly sinceMs: number;
  /** Nor those after it. Absent: all that are newer, also those whose clock is a minute ahead. */
  readonly untilMs?: number;
}

/** What a query demands of issues. */
export interface FoundIssues {
  readonly conditions: readonly Condition[];
  /** Whether the query itself says which status is meant. */
  readonly speaksOfStatus: boolean;
  /** The query is the id of an event: only its issue is meant, whatever its status. */
  readonly isEventId: boolean;
}

const eventId = /^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$/;
const maxHashes = 100_000;

/**
 * Turns a query into conditions on issues. What only issues know is left to SQL; what events know is answered by the
 * analytics store for one event at a time: all such terms hold for the same event.
 * @throws {QueryError} `ET_QUERY_INVALID`
 */
export async function searchIssues(stores: SearchStores, search: IssueSearch): Promise<FoundIssues> {
  const query = search.query.trim();
  if (eventId.test(query)) {
    // An id is looked for among everything that is kept.
    const { untilMs: _, ...always } = search;
    const hashes = await findHashes(stores, { ...always, sinceMs: 0 }, [
      { sql: "event_id = {event:UUID}", params: { event: dashed(query.replaceAll("-", "").toLowerCase()) } },
    ]);
    return { conditions: [ownsHash(hashes, stores.database.engine)], speaksOfStatus: true, isEventId: true };
  }
  const terms = parseQuery(query);
  const conditions = terms.filter(isIssueTerm).map((term) => issueCondition(term, search));
  const ofEvents = terms.filter((term) => !isIssueTerm(term));
  if (ofEvents.length > 0) {
    const scope = { releases: () => readReleasesOf(stores.database, search.projectId) };
    const asked = await Promise.all(ofEvents.map((term, index) => eventCondition(term, index, scope)));
    conditions.push(ownsHash(await findHashes(stores, search, asked), stores.database.engine));
  }
  return { conditions, speaksOfStatus: speaksOfStatus(terms), isEventId: false };
}

async function findHashes(
  { analytics, database }: SearchStores,
  { projectId, sinceMs, nowMs, untilMs = nowMs + 120_000 }: IssueSearch,
  conditions: readonly EventCondition[],
): Promise<string[]> {
  const deleted = await withoutDeleted(database, projectId);
  const rows = await analytics.query<{ primary_hash: string }>(
    `SELECT DISTINCT primary_hash FROM error_events FINAL
    WHERE project_id = {project:UInt64}
      AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')}
      AND ${conditions.map(({ sql }) => `(${sql})`).join(" AND ")} ${deleted.sql}
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    {
      project: projectId,
      since: new Date(Math.max(sinceMs, await keptSinceMs(database, projectId, nowMs))).toISOString(),
      until: new Date(untilMs).toISOString(),
      ...Object.assign({}, ...conditions.map(({ params }) => params)),
      ...deleted.params,
    },
    { maxExecutionSeconds: 10, maxMemoryBytes: 512 * 1024 * 1024, maxResultRows: maxHashes },
  );
  return rows.map((row) => row.primary_hash.replaceAll("-", ""));
}

async function readReleasesOf(database: Database, projectId: number) {
  const rows = await database
    .reader<IssueTables>()
    .selectFrom("error_releases")
    .select(["version", "created_at_ms"])
    .where("project_id", "=", projectId)
    .execute();
  return rows.map((row) => ({ version: row.version, createdAtMs: row.created_at_ms }));
}
