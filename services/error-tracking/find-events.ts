import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import type { Issue } from "./list-issues.js";
import type { IssueTables } from "./store/tables.js";
import { dashed } from "./user-counts.js";

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
export type EventPosition = [occurredAt: string, eventId: string, direction: "next" | "prev"];

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

export interface EventPage {
  readonly events: readonly StoredEvent[];
  readonly next: EventPosition | undefined;
  readonly previous: EventPosition | undefined;
}

/** Longest retention of any project; no older row is ever looked for. */
const longestRetentionMs = 365 * 86_400_000;

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
  database: Database,
  analytics: Analytics,
  issue: Issue,
  sort: EventSort,
  limit: number,
  from: EventPosition | undefined,
): Promise<EventPage> {
  const backwards = from?.[2] === "prev";
  const order = (sort === "occurred_at_asc") === !backwards ? "ASC" : "DESC";
  const beyond =
    from === undefined
      ? ""
      : `AND (timestamp, toString(event_id)) ${order === "ASC" ? ">" : "<"} ({time:DateTime64(3, 'UTC')}, {event:String})`;
  const rows = await findRows(database, analytics, issue, beyond, order, limit + 1, {
    ...(from === undefined ? {} : { time: from[0], event: dashed(from[1]) }),
  });
  const more = rows.length > limit;
  const kept = backwards ? rows.slice(0, limit).toReversed() : rows.slice(0, limit);
  const events = await withPayloads(analytics, issue, kept);
  const first = events[0];
  const last = events.at(-1);
  const at = (event: StoredEvent, direction: "next" | "prev"): EventPosition => [
    event.occurredAt,
    event.eventId,
    direction,
  ];
  return {
    events,
    next: last && (backwards || more) ? at(last, "next") : undefined,
    previous: first && (backwards ? more : from !== undefined) ? at(first, "prev") : undefined,
  };
}

/** The newest or oldest event of an issue, or the one with that id. */
export async function findEvent(
  database: Database,
  analytics: Analytics,
  issue: Issue,
  which: "latest" | "oldest" | { readonly eventId: string },
): Promise<StoredEvent | undefined> {
  const order = which === "oldest" ? "ASC" : "DESC";
  const only = typeof which === "object" ? "AND event_id = {event:UUID}" : "";
  const params = typeof which === "object" ? { event: dashed(which.eventId) } : {};
  const rows = await findRows(database, analytics, issue, only, order, 1, params);
  const [event] = await withPayloads(analytics, issue, rows);
  return event;
}

async function findRows(
  database: Database,
  analytics: Analytics,
  issue: Issue,
  condition: string,
  order: "ASC" | "DESC",
  maxRows: number,
  params: Readonly<Record<string, unknown>>,
): Promise<Found[]> {
  const hashes = await hashesOf(database, issue);
  return analytics.query<Found>(
    `SELECT event_id, timestamp, title, culprit, level, message, environment, platform,
      exception_types[-1] AS exception_type, exception_values[-1] AS exception_value
    FROM error_events FINAL
    WHERE project_id = {project:UInt64} AND primary_hash IN {hashes:Array(UUID)}
      AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')} ${condition}
    ORDER BY timestamp ${order}, toString(event_id) ${order}
    LIMIT {rows:UInt32}
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    { project: issue.project_id, hashes, rows: maxRows, ...timeRange(issue), ...params },
    limits,
  );
}

async function withPayloads(analytics: Analytics, issue: Issue, rows: readonly Found[]): Promise<StoredEvent[]> {
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
    eventId: row.event_id.replaceAll("-", ""),
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
  const sinceMs = Math.max(issue.first_seen_ms, Date.now() - longestRetentionMs);
  return { since: new Date(sinceMs).toISOString(), until: new Date(issue.last_seen_ms).toISOString() };
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
