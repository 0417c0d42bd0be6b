import type { Database } from "@signalbox/database";
import { type Kysely, type Selectable, type SqlBool, sql } from "kysely";
import { type Direction, type KeysetPage, keysetPage } from "../keyset-page.js";
import type { Condition } from "../search/issue-conditions.js";
import type { IssueStatus, IssueTables } from "../store/tables.js";

export type Issue = Selectable<IssueTables["error_issues"]>;

export const issueSorts = ["last_seen_desc", "first_seen_desc", "frequency_desc"] as const;
export type IssueSort = (typeof issueSorts)[number];

export interface IssueFilter {
  readonly projectId: number;
  /** Absent: any. */
  readonly status: IssueStatus | undefined;
  readonly sort: IssueSort;
  /** Only issues that were seen since. */
  readonly seenSinceMs: number;
  /** And of these only such with an event before, by whole hours. */
  readonly seenUntilMs?: number;
  /** What else must hold; see `searchIssues`. */
  readonly conditions: readonly Condition[];
}

/**
 * A place in a list that is being walked: the sort value and id of an issue, and the project's change at which the walk
 * began. Issues that changed since then stand where they stood at that change; ones made since are not part of it.
 */
export type WalkPosition = [value: number, id: number, walkSeq: number, direction: Direction];

export function isWalkPosition(position: unknown): position is WalkPosition {
  if (!Array.isArray(position) || position.length !== 4) return false;
  const [value, id, walkSeq, direction]: unknown[] = position;
  return [value, id, walkSeq].every(Number.isSafeInteger) && (direction === "next" || direction === "prev");
}

interface Placed {
  readonly issue: Issue;
  /** Its sort value when the walk began. */
  readonly value: number;
}

const sortColumns = {
  last_seen_desc: "last_seen_ms",
  first_seen_desc: "first_seen_ms",
  frequency_desc: "event_count",
} as const;

/**
 * One page of a project's issues, highest first. Walking all pages meets every issue that was in the list when the walk
 * began exactly once, while new ones arrive and old ones are seen again; positions are remembered for an hour.
 */
export async function listIssues(
  database: Database,
  filter: IssueFilter,
  limit: number,
  from: WalkPosition | undefined,
): Promise<KeysetPage<Issue, WalkPosition>> {
  const db = database.reader<IssueTables>();
  const { placed, walkSeq } = await (from === undefined
    ? firstRows(db, filter, limit + 1)
    : rowsFrom(db, filter, limit + 1, from));
  const page = keysetPage(
    placed,
    limit,
    from?.[3],
    ({ value, issue }, direction): WalkPosition => [value, issue.id, walkSeq, direction],
  );
  return { ...page, items: page.items.map(({ issue }) => issue) };
}

async function rowsFrom(db: Kysely<IssueTables>, filter: IssueFilter, maxRows: number, from: WalkPosition) {
  const [, , walkSeq, direction] = from;
  const unchanged = await unchangedRows(db, filter, maxRows, from);
  // An issue that changes between the two reads is found by both, at the same place.
  const met = new Set(unchanged.map(({ issue }) => issue.id));
  const changed = (await changedRows(db, filter, maxRows, from)).filter(({ issue }) => !met.has(issue.id));
  const sign = direction === "next" ? 1 : -1;
  const sorted = [...unchanged, ...changed].sort((a, b) => sign * (b.value - a.value || b.issue.id - a.issue.id));
  return { placed: sorted.slice(0, maxRows), walkSeq };
}

/** The list as it is, and the change up to which it is so: one statement, so that nothing can come in between. */
async function firstRows(db: Kysely<IssueTables>, filter: IssueFilter, maxRows: number) {
  const column = sortColumns[filter.sort];
  const rows = await filtered(db, filter)
    .selectAll("issue")
    .select((query) =>
      query.selectFrom("error_counters").select("change_seq").where("project_id", "=", filter.projectId).as("walk_seq"),
    )
    .orderBy(`issue.${column}`, "desc")
    .orderBy("issue.id", "desc")
    .limit(maxRows)
    .execute();
  const placed = rows.map(({ walk_seq: _, ...issue }): Placed => ({ issue, value: issue[column] }));
  return { placed, walkSeq: rows[0]?.walk_seq ?? 0 };
}

/** Issues that stand where they stood when the walk began. */
async function unchangedRows(
  db: Kysely<IssueTables>,
  filter: IssueFilter,
  maxRows: number,
  [value, id, walkSeq, direction]: WalkPosition,
): Promise<Placed[]> {
  const column = sortColumns[filter.sort];
  const order = direction === "next" ? "desc" : "asc";
  const rows = await filtered(db, filter)
    .selectAll("issue")
    .where("issue.change_seq", "<=", walkSeq)
    .where(beyond(sql.ref(`issue.${column}`), value, id, direction))
    .orderBy(`issue.${column}`, order)
    .orderBy("issue.id", order)
    .limit(maxRows)
    .execute();
  return rows.map((issue) => ({ issue, value: issue[column] }));
}

/** Issues that moved since, at the place that their first change since then ended. */
async function changedRows(
  db: Kysely<IssueTables>,
  filter: IssueFilter,
  maxRows: number,
  [value, id, walkSeq, direction]: WalkPosition,
): Promise<Placed[]> {
  const column = sortColumns[filter.sort];
  const order = direction === "next" ? "desc" : "asc";
  const rows = await filtered(db, filter)
    .innerJoin("error_issue_positions as position", (join) =>
      join
        .onRef("position.project_id", "=", "issue.project_id")
        .onRef("position.issue_id", "=", "issue.id")
        .on(
          "position.change_seq",
          "=",
          sql<number>`(select min(change_seq) from error_issue_positions
            where project_id = issue.project_id and issue_id = issue.id and change_seq > ${walkSeq})`,
        ),
    )
    .selectAll("issue")
    .select(`position.${column} as value_before`)
    .where("issue.change_seq", ">", walkSeq)
    .where("issue.created_seq", "<=", walkSeq)
    .where(beyond(sql.ref(`position.${column}`), value, id, direction))
    .orderBy(`position.${column}`, order)
    .orderBy("issue.id", order)
    .limit(maxRows)
    .execute();
  return rows.map(({ value_before: before, ...issue }) => ({ issue, value: before }));
}

function beyond(column: ReturnType<typeof sql.ref>, value: number, id: number, direction: Direction) {
  return direction === "next"
    ? sql<SqlBool>`(${column}, issue.id) < (${value}, ${id})`
    : sql<SqlBool>`(${column}, issue.id) > (${value}, ${id})`;
}

const hourMs = 3_600_000;

function filtered(db: Kysely<IssueTables>, filter: IssueFilter) {
  const { projectId, status, seenSinceMs, seenUntilMs, conditions } = filter;
  let query = db
    .selectFrom("error_issues as issue")
    .where("issue.project_id", "=", projectId)
    .where("issue.merged_into", "is", null)
    .where("issue.last_seen_ms", ">=", seenSinceMs);
  if (status !== undefined) query = query.where("issue.status", "=", status);
  if (seenUntilMs !== undefined)
    query = query.where(
      sql<SqlBool>`exists (select 1 from error_hashes as owned
        join error_hash_hours as counted on counted.project_id = owned.project_id and counted.hash = owned.hash
        where owned.project_id = issue.project_id and owned.issue_id = issue.id
          and counted.hour >= ${Math.floor(seenSinceMs / hourMs)} and counted.hour < ${Math.ceil(seenUntilMs / hourMs)})`,
    );
  for (const condition of conditions) query = query.where(condition);
  return query;
}
