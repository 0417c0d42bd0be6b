import type { BatchStatement, SqlValue } from "@signalbox/database";
import { commonColumns, type NewRow, rareColumns, type SqlEngine, statement } from "./engine.js";

const columns =
  "id, subscriber, subscription, event_type, key, state, available_at_ms, due_at_ms, first_due_at_ms, bounded_bytes, lock_name, body";

/** Binding the values of a row costs less than calling into the engine once more. */
const sizesTogether = [16, 4, 1];

/** Rows of one subscription that differ in nothing but these values: what is not bound again is not converted again. */
const insertAlike = new Map(
  sizesTogether.map((size) => [
    size,
    `insert into event_deliveries (${columns})
      with fresh (id, due_at_ms, body) as (values ${Array.from({ length: size }, () => "(?, ?, ?)").join(", ")})
      select id, ?, ?, ?, null, 0, due_at_ms, due_at_ms, due_at_ms, null, null, body
      from fresh where true on conflict (id) do nothing`,
  ]),
);

const insertPlain = `insert into event_deliveries (${columns})
  values (?, ?, ?, ?, null, 0, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing`;

/** A row behind unsettled ones of its key is inserted as blocked, so that claims never look at it. */
const insertKeyed = `insert into event_deliveries (${columns})
  select ?, ?, ?, ?, ?, iif(behind, 2, 0), iif(behind, null, ?), ?, ?, ?, ?, ?
  from (select exists (
    select 1 from event_deliveries where subscriber = ? and key = ? limit 1 offset ?) as behind)
  where true on conflict (id) do nothing`;

/** The driver makes a property of each column of each row, so the columns that rarely say anything come as one. */
const claimDue = `update event_deliveries set state = 1, available_at_ms = ?, lease = ?
  where seq in (
    select seq from event_deliveries where subscriber = ? and state = 0 and available_at_ms <= ?
    order by available_at_ms, seq limit ?)
  returning ${commonColumns.join(", ")}, case when key is null and first_due_at_ms = due_at_ms and attempts = 0
    and crashes = 0 and crashes_alone = 0 and bounded_bytes is null and lock_name is null and progress is null
    then null else json_object(${rareColumns.map((column) => `'${column}', ${column}`).join(", ")}) end as rare`;

const settleOfLease = `update event_deliveries
  set state = 3, available_at_ms = null, key = null, progress = null, body = null, settled_at_ms = ?
  where seq in (select value from json_each(?)) and lease = ? and state = 1`;

/** A batch of a thousand that takes longer than usual is extended again and again: one statement, not a thousand. */
const extendLeases = `update event_deliveries
  set available_at_ms = ours.value ->> 'untilMs', alone = case when ? = 1 then 1 else alone end,
    begun = case when ? = 1 then 1 else begun end
  from json_each(?) as ours
  where event_deliveries.seq = ours.value ->> 'seq' and event_deliveries.lease = ours.value ->> 'lease'
    and event_deliveries.state = 1
  returning seq`;

/** Corrects itself: whatever happened before, the first rows of a key are the ones that are not blocked. */
const releaseKey = `update event_deliveries set state = 0, available_at_ms = due_at_ms
  where state = 2 and seq in (
    select seq from event_deliveries where subscriber = ? and key = ? order by seq limit ?)`;

const expireLeases = `update event_deliveries
  set state = 0, available_at_ms = due_at_ms, lease = null, alone = 0, begun = 0,
    crashes = crashes + case when alone = 0 and (begun = 1 or crashes = 0) then 1 else 0 end,
    crashes_alone = crashes_alone + alone
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
    const alike = new Map<string, NewRow[]>();
    const plain: SqlValue[][] = [];
    const keyed: SqlValue[][] = [];
    for (const row of rows) {
      if (row.key !== null) keyed.push(keyedValues(row, row.key));
      else if (row.boundedBytes !== null || row.lockName !== null) plain.push(plainValues(row));
      else {
        const others = alike.get(row.subscription);
        if (!others) alike.set(row.subscription, [row]);
        else if (others[0]?.eventType === row.eventType && others[0].subscriber === row.subscriber) others.push(row);
        else plain.push(plainValues(row));
      }
    }
    const statements: BatchStatement[] = [];
    for (const same of alike.values()) addAlike(same, statements);
    if (plain.length > 0) statements.push({ sql: insertPlain, rows: plain });
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

  extend: (rows, mark) =>
    statement(extendLeases, mark === "alone" ? 1 : 0, mark === "begun" ? 1 : 0, JSON.stringify(rows)),

  release: (keys) => ({ sql: releaseKey, rows: keys.map(({ subscriber, key, perKey }) => [subscriber, key, perKey]) }),

  expire: (subscribers, nowMs) => ({ sql: expireLeases, rows: subscribers.map((subscriber) => [subscriber, nowMs]) }),

  next: (subscribers) => statement(nextTimes, JSON.stringify(subscribers)),

  purge: (beforeMs, limit) => statement(purgeSettled, beforeMs, limit),
};

/** As few statements as the sizes allow. */
function addAlike(rows: readonly NewRow[], statements: BatchStatement[]): void {
  let from = 0;
  for (const [size, sql] of insertAlike) {
    const executions: SqlValue[][] = [];
    for (; rows.length - from >= size; from += size) executions.push(alikeValues(rows, from, size));
    if (executions.length > 0) statements.push({ sql, rows: executions });
  }
}

function alikeValues(rows: readonly NewRow[], from: number, size: number): SqlValue[] {
  const values: SqlValue[] = [];
  for (let index = from; index < from + size; index++) {
    const row = rows[index];
    if (row) values.push(row.id, row.dueAtMs, row.body);
  }
  const first = rows[from];
  if (first) values.push(first.subscriber, first.subscription, first.eventType);
  return values;
}

function plainValues(row: NewRow): SqlValue[] {
  const { id, subscriber, subscription, eventType, dueAtMs, boundedBytes, lockName, body } = row;
  return [id, subscriber, subscription, eventType, dueAtMs, dueAtMs, dueAtMs, boundedBytes, lockName, body];
}

function keyedValues(row: NewRow, key: string): SqlValue[] {
  const { id, subscriber, subscription, eventType, dueAtMs, boundedBytes, lockName, body, perKey } = row;
  const head = [id, subscriber, subscription, eventType, key, dueAtMs, dueAtMs, dueAtMs, boundedBytes, lockName, body];
  return [...head, subscriber, key, perKey - 1];
}
