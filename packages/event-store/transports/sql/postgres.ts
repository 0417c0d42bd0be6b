import { commonColumns, type NewRow, rareColumns, type SqlEngine, statement } from "./engine.js";

/** One statement for any number of rows: they travel as one JSON text. */
const insertRows = `insert into event_deliveries
    (id, subscriber, subscription, event_type, key, state, available_at_ms, due_at_ms, first_due_at_ms,
     bounded_bytes, lock_name, body)
  select id, subscriber, subscription, event_type, key, 0, due_at_ms, due_at_ms, due_at_ms,
    bounded_bytes, lock_name, body
  from json_to_recordset(?::json) as new (
    id text, subscriber text, subscription text, event_type text, key text, due_at_ms bigint,
    bounded_bytes bigint, lock_name text, body text)
  on conflict (id) do nothing
  returning id`;

/**
 * A row of a key is inserted as waiting, because an insert cannot see what other transactions are about to commit.
 * The claim, of which there is one at a time, judges it: behind an earlier or beside a running one it becomes blocked.
 */
const claimDue = `with candidate as (
    select seq, key from event_deliveries
    where subscriber = ? and state = 0 and available_at_ms <= ?
    order by available_at_ms, seq limit ? for update skip locked),
  judged as (
    select seq, key is not null and (
      select count(*) from (
        select 1 from event_deliveries as other
        where other.subscriber = ? and other.key = candidate.key and other.seq <> candidate.seq
          and (other.seq < candidate.seq or other.state = 1) limit ?) as ahead) >= ? as behind
    from candidate)
  update event_deliveries as delivery set
    state = case when behind then 2 else 1 end,
    available_at_ms = case when behind then null else ?::bigint end,
    lease = case when behind then null else ?::bigint end
  from judged where delivery.seq = judged.seq
  returning delivery.state, ${[...commonColumns, ...rareColumns].map((column) => `delivery.${column}`).join(", ")}`;

const settleLeases = `update event_deliveries as delivery
  set state = 3, available_at_ms = null, key = null, progress = null, body = null, settled_at_ms = ?
  from json_to_recordset(?::json) as ours (seq bigint, lease bigint)
  where delivery.seq = ours.seq and delivery.lease = ours.lease and delivery.state = 1`;

const extendLeases = `update event_deliveries as delivery
  set available_at_ms = ours."untilMs", alone = case when ? = 1 then 1 else delivery.alone end,
    begun = case when ? = 1 then 1 else delivery.begun end
  from json_to_recordset(?::json) as ours (seq bigint, lease bigint, "untilMs" bigint)
  where delivery.seq = ours.seq and delivery.lease = ours.lease and delivery.state = 1
  returning delivery.seq`;

/** Corrects itself: whatever happened before, the first rows of a key are the ones that are not blocked. */
const releaseKey = `update event_deliveries set state = 0, available_at_ms = due_at_ms
  where state = 2 and seq in (
    select seq from event_deliveries where subscriber = ? and key = ? order by seq limit ?)`;

const expireLeases = `update event_deliveries
  set state = 0, available_at_ms = due_at_ms, lease = null, alone = 0, begun = 0,
    crashes = crashes + case when alone = 0 and (begun = 1 or crashes = 0) then 1 else 0 end,
    crashes_alone = crashes_alone + alone
  where seq in (
    select seq from event_deliveries
    where subscriber in (select json_array_elements_text(?::json)) and state = 1 and available_at_ms <= ?
    for update skip locked)`;

const nextTimes = `select name as subscriber,
    (select min(available_at_ms) from event_deliveries
      where subscriber = name and state = 0 and available_at_ms is not null) as waiting,
    (select min(available_at_ms) from event_deliveries
      where subscriber = name and state = 1 and available_at_ms is not null) as running
  from json_array_elements_text(?::json) as name`;

const purgeSettled = `delete from event_deliveries where seq in (
  select seq from event_deliveries where settled_at_ms < ? order by settled_at_ms limit ? for update skip locked)`;

export const postgresEngine: SqlEngine = {
  exclusive: (subscriber) => statement("select pg_advisory_xact_lock(hashtextextended(?, 7305))", subscriber),

  insert: (rows) => [statement(insertRows, JSON.stringify(rows.map(toRecord)))],

  inserted: () => undefined,

  claim: ({ leaseUntilMs, lease, subscriber, nowMs, limit, perKey }) =>
    statement(claimDue, subscriber, nowMs, limit, subscriber, perKey, perKey, leaseUntilMs, lease),

  settle: (rows, nowMs) => statement(settleLeases, nowMs, JSON.stringify(rows)),

  extend: (rows, mark) =>
    statement(extendLeases, mark === "alone" ? 1 : 0, mark === "begun" ? 1 : 0, JSON.stringify(rows)),

  release: (keys) => ({ sql: releaseKey, rows: keys.map(({ subscriber, key, perKey }) => [subscriber, key, perKey]) }),

  expire: (subscribers, nowMs) => statement(expireLeases, JSON.stringify(subscribers), nowMs),

  next: (subscribers) => statement(nextTimes, JSON.stringify(subscribers)),

  purge: (beforeMs, limit) => statement(purgeSettled, beforeMs, limit),
};

function toRecord(row: NewRow): object {
  return {
    id: row.id,
    subscriber: row.subscriber,
    subscription: row.subscription,
    event_type: row.eventType,
    key: row.key,
    due_at_ms: row.dueAtMs,
    bounded_bytes: row.boundedBytes,
    lock_name: row.lockName,
    body: row.body,
  };
}
