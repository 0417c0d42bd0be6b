import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { dashed } from "../digest/user-counts.js";
import { type Direction, type KeysetPage, keysetPage } from "../keyset-page.js";
import { isoTime } from "../normalise/times.js";
import { keptSinceMs } from "../projects/project-settings.js";
import type { IssueTables } from "../store/tables.js";
import { type RowCondition, withoutDeleted } from "./hidden-events.js";
import type { Issue } from "./list-issues.js";

export const eventSorts = ["occurred_at_asc", "occurred_at_desc"] as const;
export type EventSort = (typeof eventSorts)[number];

/** An event of an issue with its payload. */
export interface StoredEvent {
  /** 32 lower-case hex digits. */
  readonly eventId: string;
  /** RFC 3339 in UTC with milliseconds. */
  readonly occurredAt: string;
  readonly name: string;
  readonly description: string;
  readonly actor: string;
  readonly environment: string;
  readonly platform: string;
  /** JSON text. */
  readonly payload: string;
}

/** Place of an event among those of an issue. */
export type EventPosition = [occurredAt: string, eventId: string, direction: Direction];

export function isEventPosition(position: unknown): position is EventPosition {
  if (!Array.isArray(position) || position.length !== 3) return false;
  const [occurredAt, eventId, direction]: unknown[] = position;
  return (
    typeof occurredAt === "string" &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(occurredAt) &&
    typeof eventId === "string" &&
    /^[0-9a-f]{32}$/.test(eventId) &&
    (direction === "next" || direction === "prev")
  );
}

export interface EventStores {
  readonly database: Database;
  readonly analytics: Analytics;
  readonly clock: Clock;
}

const limits = { maxExecutionSeconds: 10, maxMemoryBytes: 512 * 1024 * 1024, maxResultRows: 101 };

interface Found {
  readonly event_id: string;
  readonly timestamp: string;
  readonly title: string;
  readonly culprit: string;
  readonly level: string;
  readonly message: string;
  readonly environment: string;
  readonly platform: string;
  readonly exception_type: string;
  readonly exception_value: string;
}

/** One page of an issue's events with their payloads, by the time they happened. */
export async function listEvents(
  stores: EventStores,
  issue: Issue,
  sort: EventSort,
  limit: number,
  from: EventPosition | undefined,
): Promise<KeysetPage<StoredEvent, EventPosition>> {
  const order = (sort === "occurred_at_asc") === (from?.[2] !== "prev") ? "ASC" : "DESC";
  const sign = order === "ASC" ? ">" : "<";
  const beyond = `AND (timestamp, toString(event_id)) ${sign} ({time:DateTime64(3, 'UTC')}, {event:String})`;
  const rows = await (from === undefined
    ? findRows(stores, issue, "", order, limit + 1, {})
    : findRows(stores, issue, beyond, order, limit + 1, { time: from[0], event: dashed(from[1]) }));
  const page = keysetPage(
    rows,
    limit,
    from?.[2],
    (row, direction): EventPosition => [row.timestamp, plainId(row), direction],
  );
  return { ...page, items: await withPayloads(stores, issue, page.items) };
}

/** The newest or oldest event of an issue, or the one with that id. */
export async function findEvent(
  stores: EventStores,
  issue: Issue,
  which: "latest" | "oldest" | { readonly eventId: string },
): Promise<StoredEvent | undefined> {
  const rows = await (typeof which === "object"
    ? findRows(stores, issue, "AND event_id = {event:UUID}", "ASC", 1, { event: dashed(which.eventId) })
    : findRows(stores, issue, "", which === "oldest" ? "ASC" : "DESC", 1, {}));
  const [event] = await withPayloads(stores, issue, rows);
  return event;
}

/** An event with its issue and its neighbours among the issue's events. */
export interface EventInPlace {
  readonly event: StoredEvent;
  readonly previousId: string | undefined;
  readonly nextId: string | undefined;
}

/** As `findEvent`, with the ids of the events before and after. */
export async function findEventInPlace(
  stores: EventStores,
  issue: Issue,
  which: Parameters<typeof findEvent>[2],
): Promise<EventInPlace | undefined> {
  const event = await findEvent(stores, issue, which);
  if (event === undefined) return undefined;
  const at = { time: event.occurredAt, event: dashed(event.eventId) };
  const beside = (sign: "<" | ">") =>
    findRows(
      stores,
      issue,
      `AND (timestamp, toString(event_id)) ${sign} ({time:DateTime64(3, 'UTC')}, {event:String})`,
      sign === "<" ? "DESC" : "ASC",
      1,
      at,
    );
  const [[previous], [next]] = await Promise.all([beside("<"), beside(">")]);
  return { event, previousId: previous && plainId(previous), nextId: next && plainId(next) };
}

/** The issue of an event of the project; undefined when there is no such event, or its issue is gone. */
export async function findIssueOfEvent(
  { database, analytics, clock }: EventStores,
  projectId: number,
  eventId: string,
): Promise<Issue | undefined> {
  const deleted = await withoutDeleted(database, projectId);
  const [row] = await analytics.query<{ primary_hash: string }>(
    `SELECT primary_hash FROM error_events FINAL
    WHERE project_id = {project:UInt64} AND event_id = {event:UUID}
      AND timestamp >= {since:DateTime64(3, 'UTC')} ${deleted.sql}
    LIMIT 1
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    {
      project: projectId,
      event: dashed(eventId),
      since: isoTime(await keptSinceMs(database, projectId, clock.nowMs())),
      ...deleted.params,
    },
    limits,
  );
  if (row === undefined) return undefined;
  return database
    .reader<IssueTables>()
    .selectFrom("error_issues as issue")
    .innerJoin("error_hashes as owned", "owned.issue_id", "issue.id")
    .selectAll("issue")
    .where("owned.project_id", "=", projectId)
    .where("owned.hash", "=", row.primary_hash.replaceAll("-", ""))
    .executeTakeFirst();
}

/** Whether there is such an event, and it or its issue was deleted: its rows only wait for their removal. */
export async function isEventHidden(stores: EventStores, projectId: number, eventId: string): Promise<boolean> {
  const deleted = await withoutDeleted(stores.database, projectId);
  const [row] = await stores.analytics.query<{ primary_hash: string; visible: number }>(
    `SELECT primary_hash, toUInt8(1 ${deleted.sql}) AS visible FROM error_events FINAL
    WHERE project_id = {project:UInt64} AND event_id = {event:UUID}
      AND timestamp >= {since:DateTime64(3, 'UTC')}
    LIMIT 1
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    {
      project: projectId,
      event: dashed(eventId),
      since: isoTime(await keptSinceMs(stores.database, projectId, stores.clock.nowMs())),
      ...deleted.params,
    },
    limits,
  );
  if (row === undefined) return false;
  if (row.visible === 0) return true;
  const owned = await stores.database
    .reader<IssueTables>()
    .selectFrom("error_hashes")
    .select("issue_id")
    .where("project_id", "=", projectId)
    .where("hash", "=", row.primary_hash.replaceAll("-", ""))
    .executeTakeFirst();
  return owned === undefined;
}

/** An event that carries a message and no exception. */
export interface StoredMessage {
  readonly eventId: string;
  readonly occurredAt: string;
  readonly level: string;
  readonly message: string;
  readonly release: string;
  readonly environment: string;
  readonly platform: string;
}

/** The newest messages of a project. */
export async function listMessages(
  { database, analytics, clock }: EventStores,
  projectId: number,
  limit: number,
): Promise<StoredMessage[]> {
  const deleted = await withoutDeleted(database, projectId);
  const rows = await analytics.query<Record<string, string>>(
    `SELECT event_id, timestamp, level, message, release, environment, platform, primary_hash
    FROM error_events FINAL
    WHERE project_id = {project:UInt64} AND empty(exception_types) AND message <> ''
      AND timestamp >= {since:DateTime64(3, 'UTC')} ${deleted.sql}
    ORDER BY timestamp DESC, toString(event_id) DESC
    LIMIT {rows:UInt32}
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    {
      project: projectId,
      rows: limit,
      since: isoTime(await keptSinceMs(database, projectId, clock.nowMs())),
      ...deleted.params,
    },
    limits,
  );
  const owned = await ownedHashes(
    database,
    projectId,
    rows.map((row) => (row["primary_hash"] ?? "").replaceAll("-", "")),
  );
  return rows
    .filter((row) => owned.has((row["primary_hash"] ?? "").replaceAll("-", "")))
    .map((row) => ({
      eventId: (row["event_id"] ?? "").replaceAll("-", ""),
      occurredAt: row["timestamp"] ?? "",
      level: row["level"] ?? "",
      message: row["message"] ?? "",
      release: row["release"] ?? "",
      environment: row["environment"] ?? "",
      platform: row["platform"] ?? "",
    }));
}

async function ownedHashes(database: Database, projectId: number, hashes: readonly string[]): Promise<Set<string>> {
  if (hashes.length === 0) return new Set();
  const rows = await database
    .reader<IssueTables>()
    .selectFrom("error_hashes")
    .select("hash")
    .where("project_id", "=", projectId)
    .where("hash", "in", [...new Set(hashes)])
    .execute();
  return new Set(rows.map(({ hash }) => hash));
}

async function findRows(
  { database, analytics, clock }: EventStores,
  issue: Issue,
  condition: string,
  order: "ASC" | "DESC",
  maxRows: number,
  params: Readonly<Record<string, unknown>>,
): Promise<Found[]> {
  const { deleted, ...scope } = await scopeOf(database, issue, clock.nowMs());
  return analytics.query<Found>(
    `SELECT event_id, timestamp, title, culprit, level, message, environment, platform,
      exception_types[-1] AS exception_type, exception_values[-1] AS exception_value
    FROM error_events FINAL
    WHERE project_id = {project:UInt64} AND primary_hash IN {hashes:Array(UUID)}
      AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')} ${condition} ${deleted.sql}
    ORDER BY timestamp ${order}, toString(event_id) ${order}
    LIMIT {rows:UInt32}
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    { project: issue.project_id, rows: maxRows, ...scope, ...params, ...deleted.params },
    limits,
  );
}

async function withPayloads({ analytics }: EventStores, issue: Issue, rows: readonly Found[]): Promise<StoredEvent[]> {
  if (rows.length === 0) return [];
  const payloads = await analytics.query<{ event_id: string; payload: string }>(
    `SELECT event_id, payload FROM error_payloads FINAL
    WHERE project_id = {project:UInt64} AND event_id IN {events:Array(UUID)}
      AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')}
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    { project: issue.project_id, events: rows.map((row) => row.event_id), ...timeRange(issue) },
    limits,
  );
  const byId = new Map(payloads.map((row) => [row.event_id, row.payload]));
  return rows.map((row) => ({
    eventId: plainId(row),
    occurredAt: row.timestamp,
    name: row.exception_type === "" ? row.level : row.exception_type,
    description: row.exception_type === "" ? row.message : row.exception_value,
    actor: row.culprit,
    environment: row.environment,
    platform: row.platform,
    payload: byId.get(row.event_id) ?? "{}",
  }));
}

/** Nothing of the issue lies outside of it, so whole weeks of rows need not be looked at. */
function timeRange(issue: Issue): { since: string; until: string } {
  return { since: isoTime(issue.first_seen_ms), until: isoTime(issue.last_seen_ms) };
}

/** What bounds every query for events of an issue. */
export interface IssueScope {
  readonly hashes: string[];
  /** Its time, as far back as the project keeps events. */
  readonly since: string;
  readonly until: string;
  /** Leaves out what was deleted. */
  readonly deleted: RowCondition;
}

export async function scopeOf(database: Database, issue: Issue, nowMs: number): Promise<IssueScope> {
  const hashes = await hashesOf(database, issue);
  const range = timeRange(issue);
  const keptMs = await keptSinceMs(database, issue.project_id, nowMs);
  const deleted = await withoutDeleted(database, issue.project_id);
  return { hashes, ...range, since: isoTime(Math.max(issue.first_seen_ms, keptMs)), deleted };
}

function plainId({ event_id }: Found): string {
  return event_id.replaceAll("-", "");
}

async function hashesOf(database: Database, issue: Issue): Promise<string[]> {
  const rows = await database
    .reader<IssueTables>()
    .selectFrom("error_hashes")
    .select("hash")
    .where("issue_id", "=", issue.id)
    .execute();
  return rows.map((row) => dashed(row.hash));
}
