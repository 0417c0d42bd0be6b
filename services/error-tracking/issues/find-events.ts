import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { dashed } from "../digest/user-counts.js";
import { type Direction, type KeysetPage, keysetPage } from "../keyset-page.js";
import { isoTime } from "../normalise/times.js";
import { keptSinceMs } from "../projects/project-settings.js";
import type { IssueTables } from "../store/tables.js";
import { findIssue } from "./find-issue.js";
import { type RowCondition, withoutDeleted } from "./hidden-events.js";
import type { Issue } from "./list-issues.js";
import { issueOfPin, pinsOfIssue, readPin } from "./pinned-events.js";

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
  /** Where events are kept beyond their rows; without it there are none. */
  readonly blobs?: Blobs | undefined;
  readonly clock: Clock;
}

const limits = { maxExecutionSeconds: 10, maxMemoryBytes: 512 * 1024 * 1024, maxResultRows: 101 };

const columns = `event_id, timestamp, title, culprit, level, message, environment, platform,
  exception_types[-1] AS exception_type, exception_values[-1] AS exception_value`;

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

/** An event of an issue: one that has rows, or one that is kept without them. */
type Place = Pick<Found, "event_id" | "timestamp"> & ({ readonly row: Found } | { readonly blob: string });

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
  const beyond: Beyond | undefined = from && { sign, time: from[0], event: dashed(from[1]) };
  const places = await findPlaces(stores, issue, order, limit + 1, beyond);
  const page = keysetPage(
    places,
    limit,
    from?.[2],
    (place, direction): EventPosition => [place.timestamp, plainId(place), direction],
  );
  return { ...page, items: await withPayloads(stores, issue, page.items) };
}

/** The newest or oldest event of an issue, or the one with that id. */
export async function findEvent(
  stores: EventStores,
  issue: Issue,
  which: "latest" | "oldest" | { readonly eventId: string },
): Promise<StoredEvent | undefined> {
  const places =
    typeof which === "object"
      ? await findPlace(stores, issue, dashed(which.eventId))
      : await findPlaces(stores, issue, which === "oldest" ? "ASC" : "DESC", 1);
  const [event] = await withPayloads(stores, issue, places);
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
  const beside = (sign: "<" | ">") => findPlaces(stores, issue, sign === "<" ? "DESC" : "ASC", 1, { sign, ...at });
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
  if (row === undefined) {
    const pinnedIn = await issueOfPin(database, projectId, eventId);
    return pinnedIn === undefined ? undefined : findIssue(database, projectId, pinnedIn);
  }
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

interface Beyond {
  readonly sign: "<" | ">";
  readonly time: string;
  /** With dashes. */
  readonly event: string;
}

/** The first events of an issue in an order, or the first beyond one of them. */
async function findPlaces(
  stores: EventStores,
  issue: Issue,
  order: "ASC" | "DESC",
  maxPlaces: number,
  beyond?: Beyond,
): Promise<Place[]> {
  const rows = await (beyond === undefined
    ? findRows(stores, issue, "", order, maxPlaces, {})
    : findRows(
        stores,
        issue,
        `AND (timestamp, toString(event_id)) ${beyond.sign} ({time:DateTime64(3, 'UTC')}, {event:String})`,
        order,
        maxPlaces,
        { time: beyond.time, event: beyond.event },
      ));
  const known = new Set(rows.map(({ event_id: id }) => id));
  const pinned = (await pinnedPlaces(stores, issue))
    .filter((place) => !known.has(place.event_id))
    .filter((place) => beyond === undefined || isBeyond(place, beyond));
  const places: Place[] = [...rows.map(toPlace), ...pinned];
  return places.sort((a, b) => (order === "ASC" ? comparePlaces(a, b) : comparePlaces(b, a))).slice(0, maxPlaces);
}

async function findPlace(stores: EventStores, issue: Issue, event: string): Promise<Place[]> {
  const rows = await findRows(stores, issue, "AND event_id = {event:UUID}", "ASC", 1, { event });
  if (rows.length > 0) return rows.map(toPlace);
  return (await pinnedPlaces(stores, issue)).filter((place) => place.event_id === event);
}

async function pinnedPlaces(stores: EventStores, issue: Issue): Promise<Place[]> {
  const pins = await pinsOfIssue(stores, issue);
  return pins.map(({ eventId, timestampMs, blob }) => ({
    event_id: dashed(eventId),
    timestamp: isoTime(timestampMs),
    blob,
  }));
}

function toPlace(row: Found): Place {
  return { event_id: row.event_id, timestamp: row.timestamp, row };
}

function comparePlaces(a: Pick<Place, "timestamp" | "event_id">, b: Pick<Place, "timestamp" | "event_id">): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  return a.event_id < b.event_id ? -1 : a.event_id > b.event_id ? 1 : 0;
}

function isBeyond(place: Place, { sign, time, event }: Beyond): boolean {
  const order = comparePlaces(place, { timestamp: time, event_id: event });
  return sign === "<" ? order < 0 : order > 0;
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
    `SELECT ${columns} FROM error_events FINAL
    WHERE project_id = {project:UInt64} AND primary_hash IN {hashes:Array(UUID)}
      AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')} ${condition} ${deleted.sql}
    ORDER BY timestamp ${order}, toString(event_id) ${order}
    LIMIT {rows:UInt32}
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    { project: issue.project_id, rows: maxRows, ...scope, ...params, ...deleted.params },
    limits,
  );
}

async function withPayloads(
  { analytics, blobs }: EventStores,
  issue: Issue,
  places: readonly Place[],
): Promise<StoredEvent[]> {
  const rows = places.flatMap((place) => ("row" in place ? [place.row] : []));
  const written = new Map(
    (await withPayloadsOfRows(analytics, issue.project_id, rows, timeRange(issue))).map((event) => [
      event.eventId,
      event,
    ]),
  );
  const events: StoredEvent[] = [];
  for (const place of places) {
    const event = "row" in place ? written.get(plainId(place)) : blobs && (await readPin(blobs, place.blob));
    if (event !== undefined) events.push(event);
  }
  return events;
}

interface TimeRange {
  readonly since: string;
  readonly until: string;
}

async function withPayloadsOfRows(
  analytics: Analytics,
  projectId: number,
  rows: readonly Found[],
  range: TimeRange,
): Promise<StoredEvent[]> {
  if (rows.length === 0) return [];
  const payloads = await analytics.query<{ event_id: string; payload: string }>(
    `SELECT event_id, payload FROM error_payloads FINAL
    WHERE project_id = {project:UInt64} AND event_id IN {events:Array(UUID)}
      AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')}
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    { project: projectId, events: rows.map((row) => row.event_id), ...range },
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

/** Events of a project by their ids, those that have a row and a payload; at most 100 in one query. */
export async function readStoredEvents(
  { analytics }: Pick<EventStores, "analytics">,
  projectId: number,
  {
    eventIds,
    fromMs,
    untilMs,
  }: { readonly eventIds: readonly string[]; readonly fromMs: number; readonly untilMs: number },
): Promise<StoredEvent[]> {
  const range = { since: isoTime(fromMs), until: isoTime(untilMs) };
  const events: StoredEvent[] = [];
  for (let from = 0; from < eventIds.length; from += idsAtOnce) {
    const ids = eventIds.slice(from, from + idsAtOnce).map(dashed);
    const rows = await analytics.query<Found>(
      `SELECT ${columns} FROM error_events FINAL
      WHERE project_id = {project:UInt64} AND event_id IN {events:Array(UUID)}
        AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')}
      SETTINGS do_not_merge_across_partitions_select_final = 1`,
      { project: projectId, events: ids, ...range },
      limits,
    );
    events.push(...(await withPayloadsOfRows(analytics, projectId, rows, range)));
  }
  return events.filter(({ payload }) => payload !== "{}");
}

const idsAtOnce = 100;

/** Nothing of the issue lies outside of it, so whole weeks of rows need not be looked at. */
function timeRange(issue: Issue): TimeRange {
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

function plainId({ event_id }: Pick<Found, "event_id">): string {
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
