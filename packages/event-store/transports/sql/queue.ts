import type { BatchStatement } from "@signalbox/database";
import type { QueueDepth, QueuedDelivery, QueueFilter } from "../transport.js";
import { blocked, statement } from "./engine.js";
import type { Execute, SqlParts } from "./parts.js";

// What operators see of the queue and do to it; none of it is on the way of a delivery.

const countStates = `select state, case when state = 0 and available_at_ms <= ? then 1 else 0 end as ready,
    count(*) as count, min(available_at_ms) as oldest
  from event_deliveries where subscriber = ? and available_at_ms is not null group by 1, 2`;
const countBlocked =
  "select count(*) as count from event_deliveries where subscriber = ? and key is not null and state = 2";
const unsettledRow = "select id from event_deliveries where id = ? and state <> 3";
const unsettledSubscribers = `with recursive found (name) as (
    select min(subscriber) from event_deliveries where available_at_ms is not null
    union all
    select (select min(subscriber) from event_deliveries where subscriber > found.name and available_at_ms is not null)
    from found where found.name is not null)
  select name from found where name is not null`;

export async function queueDepth(subscriber: string, { database, clock }: SqlParts): Promise<QueueDepth> {
  const [states, blockedRows] = await database.batch([
    statement(countStates, clock.nowMs(), subscriber),
    statement(countBlocked, subscriber),
  ]);
  const depth = { ready: 0, scheduled: 0, running: 0, blocked: Number(blockedRows?.rows[0]?.["count"] ?? 0) };
  let oldestReadyMs: number | null = null;
  for (const row of states?.rows ?? []) {
    const count = Number(row["count"]);
    if (row["state"] === 1) depth.running += count;
    else if (row["ready"] === 1) {
      depth.ready += count;
      oldestReadyMs = Number(row["oldest"]);
    } else depth.scheduled += count;
  }
  return { ...depth, oldestReadyMs };
}

export async function countUnsettled(subscriber: string, idPrefix: string, { database }: SqlParts): Promise<number> {
  const like = `substr(id, 1, ${idPrefix.length}) = ?`;
  const results = await database.batch([
    statement(
      `select count(*) as count from event_deliveries
       where subscriber = ? and available_at_ms is not null and ${like}`,
      subscriber,
      idPrefix,
    ),
    statement(`${countBlocked} and ${like}`, subscriber, idPrefix),
  ]);
  return results.reduce((sum, { rows }) => sum + Number(rows[0]?.["count"] ?? 0), 0);
}

export async function peekQueue(
  filter: QueueFilter,
  limit: number,
  { database, clock }: SqlParts,
): Promise<QueuedDelivery[]> {
  const { where, values } = whereOf(filter);
  const [result] = await database.batch([
    statement(
      `select id, subscriber, subscription, event_type, key, state, due_at_ms, attempts, body
       from event_deliveries where ${where} order by seq limit ?`,
      ...values,
      limit,
    ),
  ]);
  const nowMs = clock.nowMs();
  return (result?.rows ?? []).map((row) => toQueued(row, nowMs));
}

export async function unsettledIds(ids: readonly string[], { database }: SqlParts): Promise<string[]> {
  if (ids.length === 0) return [];
  const [result] = await database.batch([{ sql: unsettledRow, rows: ids.map((id) => [id]) }]);
  return (result?.rows ?? []).map((row) => String(row["id"]));
}

export async function subscribersInQueue({ database }: SqlParts): Promise<string[]> {
  const [result] = await database.batch([statement(unsettledSubscribers)]);
  return (result?.rows ?? []).map((row) => String(row["name"]));
}

/** Deletes waiting rows with their locks, lets the next ones of their keys go and corrects the bounds. */
export async function removeFromQueue(filter: QueueFilter, parts: SqlParts): Promise<number> {
  const { database, engine, bounds } = parts;
  const { where, values } = whereOf(filter);
  const selected = `from event_deliveries where ${where}`;
  const removed = await database.transaction(async (transaction) => {
    const execute: Execute = (batch) => database.batch(batch, transaction);
    const [keyed] = await execute([
      statement(`select distinct subscriber, key ${selected} and key is not null`, ...values),
    ]);
    const keys = (keyed?.rows ?? []).map((row) => ({
      subscriber: String(row["subscriber"]),
      key: String(row["key"]),
      perKey: 1,
    }));
    const subscribers = [...new Set(keys.map(({ subscriber }) => subscriber))].sort();
    const exclusive = subscribers.flatMap((subscriber) => engine.exclusive(subscriber) ?? []);
    if (exclusive.length > 0) await execute(exclusive);
    const [deleted] = await execute([
      statement(`delete ${selected} returning id, subscription, bounded_bytes, lock_name`, ...values),
    ]);
    const rows = deleted?.rows ?? [];
    const after: BatchStatement[] = [];
    const uncount = bounds.statementFor(rows.map(toPending), -1);
    if (uncount) after.push(uncount);
    if (keys.length > 0) after.push(engine.release(keys));
    const locked = rows.filter((row) => row["lock_name"] !== null).map((row) => [String(row["id"])]);
    if (locked.length > 0) after.push({ sql: "delete from event_dedup where delivery_id = ?", rows: locked });
    if (after.length > 0) await execute(after);
    return rows.length;
  });
  bounds.forgetFigures();
  return removed;
}

/** Waiting rows: neither running nor settled. */
function whereOf(filter: QueueFilter): { readonly where: string; readonly values: string[] } {
  const conditions = ["state in (0, 2)"];
  const values: string[] = [];
  if (filter.subscriber !== undefined) {
    conditions.push("subscriber = ?");
    values.push(filter.subscriber);
  }
  if (filter.eventType !== undefined) {
    conditions.push("event_type = ?");
    values.push(filter.eventType);
  }
  return { where: conditions.join(" and "), values };
}

function toPending(row: Record<string, unknown>): { subscription: string; boundedBytes: number | null } {
  const bytes = row["bounded_bytes"];
  return { subscription: String(row["subscription"]), boundedBytes: bytes === null ? null : Number(bytes) };
}

function toQueued(row: Record<string, unknown>, nowMs: number): QueuedDelivery {
  const dueAtMs = Number(row["due_at_ms"]);
  return {
    id: String(row["id"]),
    subscriber: String(row["subscriber"]),
    subscription: String(row["subscription"]),
    eventType: String(row["event_type"]),
    key: row["key"] === null ? null : String(row["key"]),
    state: row["state"] === blocked ? "blocked" : dueAtMs <= nowMs ? "ready" : "scheduled",
    dueAtMs,
    attempts: Number(row["attempts"]),
    body: String(row["body"]),
  };
}
