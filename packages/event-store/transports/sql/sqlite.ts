import type { BatchStatement, SqlValue } from "@signalbox/database";
import { claimedColumns, type NewRow, type SqlEngine, statement } from "./engine.js";

const columns =
  "id, subscriber, subscription, event_type, key, state, available_at_ms, due_at_ms, first_due_at_ms, bounded_bytes, lock_name, body";

/** Binding the values of a row costs less than calling into the engine once more. */
const rowsTogether = 16;
const plainRow = "(?, ?, ?, ?, null, 0, ?, ?, ?, ?, ?, ?)";
const insertPlain = insertOf(1);
const insertPlainTogether = insertOf(rowsTogether);

function insertOf(rows: number): string {
  const values = Array.from({ length: rows }, () => plainRow).join(", ");
  return `insert into event_deliveries (${columns}) values ${values} on conflict (id) do nothing`;
}

/** A row behind unsettled ones of its key is inserted as blocked, so that claims never look at it. */
const insertKeyed = `insert into event_deliveries (${columns})
  select ?, ?, ?, ?, ?, iif(behind, 2, 0), iif(behind, null, ?), ?, ?, ?, ?, ?
  from (select exists (
    select 1 from event_deliveries where subscriber = ? and key = ? limit 1 offset ?) as behind)
  where true on conflict (id) do nothing`;

const claimDue = `update event_deliveries set state = 1, available_at_ms = ?, lease = ?
  where seq in (
    select seq from event_deliveries where subscriber = ? and state = 0 and available_at_ms <= ?
    order by available_at_ms, seq limit ?)
  returning ${claimedColumns}`;

const settleOfLease = `update event_deliveries
  set state = 3, available_at_ms = null, key = null, progress = null, body = null, settled_at_ms = ?
  where seq in (select value from json_each(?)) and lease = ? and state = 1`;

/** Corrects itself: whatever happened before, the first rows of a key are the ones that are not blocked. */
const releaseKey = `update event_deliveries set state = 0, available_at_ms = due_at_ms
  where state = 2 and seq in (
    select seq from event_deliveries where subscriber = ? and key = ? order by seq limit ?)`;

const expireLeases = `update event_deliveries
  set state = 0, available_at_ms = due_at_ms, lease = null, alone = 0,
    crashes = crashes + (1 - alone), crashes_alone = crashes_alone + alone
  where subscriber = ? and state = 1 and available_at_ms <= ?`;

const nextTimes = `select value as subscriber,
    (select min(available_at_ms) from event_deliveries
      where subscriber = value and state = 0 and available_at_ms is not null) as waiting,
    (select min(available_at_ms) from event_deliveries
      where subscriber = value and state = 1 and available_at_ms is not null) as running
  from json_each(?)`;

const purgeSettled = `delete from event_deliveries where seq in (
  select seq from event_deliveries where settled_at_ms < ? order by settled_at_ms limit ?)`;

/** Row numbers only grow while nobody deletes the last one, and what was just inserted is not deleted for a while. */
const newestOf = `select id from event_deliveries where id in (select value from json_each(?)) order by seq desc limit ?`;

export const sqliteEngine: SqlEngine = {
  exclusive: () => undefined,

  insert(rows) {
    const plain: SqlValue[][] = [];
    const keyed: SqlValue[][] = [];
    for (const row of rows) {
      if (row.key === null) plain.push(plainValues(row));
      else keyed.push(keyedValues(row, row.key));
    }
    const together: SqlValue[][] = [];
    const alone = plain.length % rowsTogether;
    for (let from = alone; from < plain.length; from += rowsTogether)
      together.push(plain.slice(from, from + rowsTogether).flat());
    const statements: BatchStatement[] = [];
    if (alone > 0) statements.push({ sql: insertPlain, rows: plain.slice(0, alone) });
    if (together.length > 0) statements.push({ sql: insertPlainTogether, rows: together });
    if (keyed.length > 0) statements.push({ sql: insertKeyed, rows: keyed });
    return statements;
  },

  inserted: (ids, added) => statement(newestOf, JSON.stringify(ids), added),

  claim: ({ leaseUntilMs, lease, subscriber, nowMs, limit }) =>
    statement(claimDue, leaseUntilMs, lease, subscriber, nowMs, limit),

  settle(rows, nowMs) {
    const byLease = new Map<number, number[]>();
    for (const { seq, lease } of rows) {
      const seqs = byLease.get(lease);
      if (seqs) seqs.push(seq);
      else byLease.set(lease, [seq]);
    }
    return { sql: settleOfLease, rows: [...byLease].map(([lease, seqs]) => [nowMs, JSON.stringify(seqs), lease]) };
  },

  release: (keys) => ({ sql: releaseKey, rows: keys.map(({ subscriber, key, perKey }) => [subscriber, key, perKey]) }),

  expire: (subscribers, nowMs) => ({ sql: expireLeases, rows: subscribers.map((subscriber) => [subscriber, nowMs]) }),

  next: (subscribers) => statement(nextTimes, JSON.stringify(subscribers)),

  purge: (beforeMs, limit) => statement(purgeSettled, beforeMs, limit),
};

function plainValues(row: NewRow): SqlValue[] {
  const { id, subscriber, subscription, eventType, dueAtMs, boundedBytes, lockName, body } = row;
  return [id, subscriber, subscription, eventType, dueAtMs, dueAtMs, dueAtMs, boundedBytes, lockName, body];
}

function keyedValues(row: NewRow, key: string): SqlValue[] {
  const { id, subscriber, subscription, eventType, dueAtMs, boundedBytes, lockName, body, perKey } = row;
  const head = [id, subscriber, subscription, eventType, key, dueAtMs, dueAtMs, dueAtMs, boundedBytes, lockName, body];
  return [...head, subscriber, key, perKey - 1];
}
