import type { BatchStatement, Database, SqlValue, TransactionHandle } from "@signalbox/database";
import { type Clock, systemClock } from "@signalbox/kernel";
import { translateTransactionError } from "../transaction.js";
import { inPortsWords } from "../transports/sql/port-errors.js";
import type { DedupLock, Delivery, EnqueueResult } from "../transports/transport.js";

/** Wakes forwarders after the commit of a transaction that published. */
export const outboxChannel = "signalbox_event_outbox";

/** Deliveries that one forwarder has taken for a while. */
export interface OutboxClaim {
  readonly number: number;
  readonly rows: readonly OutboxRow[];
}

export interface OutboxRow {
  readonly seq: number;
  readonly delivery: Delivery;
  /** When an earlier forward began that may have succeeded, milliseconds; `null` on the first. */
  readonly doubtfulSinceMs: number | null;
}

export interface OutboxStatus {
  /** Deliveries that are committed and not in the transport yet. */
  readonly pending: number;
  /** Age of the oldest of them, milliseconds; 0 when there is none. */
  readonly lagMs: number;
}

const insertRow = `insert into event_outbox
    (id, subscriber, subscription, event_type, key, per_key, due_at_ms, dedup, body, state, created_at_ms)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?) on conflict (id) do nothing returning id`;

/** Claims follow one another, so each sees what those before have taken. */
const exclusive = "select pg_advisory_xact_lock(7307)";

/**
 * Whatever is not forwarded yet, oldest first, never by a position: a transaction that commits late has an early number.
 * A row waits while another forwarder has an earlier one of its key.
 */
function claimRows(lock: string): string {
  return `update event_outbox set state = 1, claim = ?, lease_until_ms = ?, forwarding_at_ms = coalesce(forwarding_at_ms, ?)
    where seq in (
      select seq from event_outbox as candidate
      where state < 2 and (state = 0 or lease_until_ms <= ?) and (key is null or not exists (
        select 1 from event_outbox as earlier
        where earlier.subscriber = candidate.subscriber and earlier.key = candidate.key and earlier.state < 2
          and earlier.state = 1 and earlier.lease_until_ms > ? and earlier.seq < candidate.seq))
      order by seq limit ? ${lock})
    returning seq, id, subscriber, subscription, event_type, key, per_key, due_at_ms, dedup, body, forwarding_at_ms`;
}
const claimStatements = { sqlite: claimRows(""), postgres: claimRows("for update skip locked") };

const markForwarded = `update event_outbox set state = 2, forwarded_at_ms = ?, body = null where seq = ? and claim = ?`;
const giveUpClaim = "update event_outbox set lease_until_ms = 0 where claim = ? and state = 1";
const purgeForwarded = `delete from event_outbox where seq in (
  select seq from event_outbox where state = 2 and forwarded_at_ms < ? order by forwarded_at_ms limit ?)`;
const readStatus = "select count(*) as pending, min(created_at_ms) as oldest from event_outbox where state < 2";

const readHandled = "select lock_name from event_dedup where lock_name = ?";
const rememberHandled = `insert into event_dedup (lock_name, delivery_id, expires_at_ms) values (?, ?, ?)
  on conflict (lock_name) do nothing`;
const forgetHandled = `delete from event_dedup where lock_name in (
  select lock_name from event_dedup where expires_at_ms < ? order by expires_at_ms limit ?)`;

const handledForMs = 604_800_000;
/** Bound values of one statement. */
const idsAtOnce = 500;

/**
 * Deliveries that were published in a transaction of the database while the transport is elsewhere. They become real with
 * the commit; a forwarder brings them to the transport. What a call has resolved is as durable as the database.
 */
export class Outbox {
  readonly database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.database = database;
    this.#clock = clock;
  }

  /**
   * Writes deliveries as part of the transaction; one result for each, in order.
   * @throws {EventStoreError} `EVT_TRANSACTION_CLOSED`, `EVT_TRANSACTION_FOREIGN`, `EVT_TRANSPORT_UNAVAILABLE`.
   */
  async add(deliveries: readonly Delivery[], transaction: TransactionHandle): Promise<readonly EnqueueResult[]> {
    const nowMs = this.#clock.nowMs();
    const rows = deliveries.map((delivery) => toValues(delivery, nowMs));
    const [result] = await this.#guard(() => this.database.batch([{ sql: insertRow, rows }], transaction));
    const added = new Set(result?.rows.map((row) => row["id"]));
    // Inside a transaction this takes effect with its commit.
    this.database.notify(outboxChannel);
    return deliveries.map(({ id }) => (added.delete(id) ? "enqueued" : "duplicate"));
  }

  /** Which of the deliveries are committed and not in the transport yet. */
  async waiting(ids: readonly string[]): Promise<readonly string[]> {
    const waiting: string[] = [];
    for (let from = 0; from < ids.length; from += idsAtOnce) {
      const some = ids.slice(from, from + idsAtOnce);
      const places = some.map(() => "?").join(", ");
      const sql = `select id from event_outbox where state < 2 and id in (${places})`;
      const { rows } = await this.#guard(() => this.database.run<{ id: string }>(sql, some));
      waiting.push(...rows.map(({ id }) => id));
    }
    return waiting;
  }

  /** Takes up to `limit` deliveries for `leaseMs`, in the order in which they were written. */
  async claim(limit: number, leaseMs: number): Promise<OutboxClaim> {
    const { database } = this;
    const number = Math.floor(Math.random() * 2 ** 52) + 1;
    const nowMs = this.#clock.nowMs();
    const values = [number, nowMs + leaseMs, nowMs, nowMs, nowMs, limit];
    const claim = { sql: claimStatements[database.engine], rows: [values] };
    const results = await this.#guard(() =>
      database.engine === "sqlite"
        ? database.batch([claim])
        : database.transaction((transaction) => database.batch([{ sql: exclusive, rows: [[]] }, claim], transaction)),
    );
    const rows = (results.at(-1)?.rows ?? []).map((row) => toRow(row, nowMs));
    return { number, rows: rows.sort((left, right) => left.seq - right.seq) };
  }

  /** They are in the transport. */
  async forwarded(claim: number, rows: readonly OutboxRow[]): Promise<void> {
    const nowMs = this.#clock.nowMs();
    await this.#write({ sql: markForwarded, rows: rows.map(({ seq }) => [nowMs, seq, claim]) });
  }

  /** Others may try. */
  async giveUp(claim: number): Promise<void> {
    await this.#write({ sql: giveUpClaim, rows: [[claim]] });
  }

  async status(): Promise<OutboxStatus> {
    const { rows } = await this.#guard(() => this.database.run(readStatus));
    const oldest = rows[0]?.["oldest"];
    const lagMs = oldest === null || oldest === undefined ? 0 : Math.max(0, this.#clock.nowMs() - Number(oldest));
    return { pending: Number(rows[0]?.["pending"] ?? 0), lagMs };
  }

  /** Deletes what was forwarded before the time, and marks that have had theirs; resolves with how many. */
  async purge(beforeMs: number, limit: number): Promise<number> {
    const [rows, marks] = await this.#guard(() =>
      this.database.batch([
        { sql: purgeForwarded, rows: [[beforeMs, limit]] },
        { sql: forgetHandled, rows: [[this.#clock.nowMs(), limit]] },
      ]),
    );
    return Math.max(rows?.changes ?? 0, marks?.changes ?? 0);
  }

  /** Which of the deliveries have been handled, or given up, within the last seven days. */
  async handled(deliveryIds: readonly string[]): Promise<ReadonlySet<string>> {
    if (deliveryIds.length === 0) return new Set();
    const found = await this.#write({ sql: readHandled, rows: deliveryIds.map((id) => [markOf(id)]) });
    const marks = new Set(found.map((row) => row["lock_name"]));
    return new Set(deliveryIds.filter((id) => marks.has(markOf(id))));
  }

  /** Repeatable. */
  async rememberHandled(deliveryIds: readonly string[]): Promise<void> {
    const expiresAtMs = this.#clock.nowMs() + handledForMs;
    await this.#write({ sql: rememberHandled, rows: deliveryIds.map((id) => [markOf(id), markOf(id), expiresAtMs]) });
  }

  async #write(statement: BatchStatement): Promise<Record<string, unknown>[]> {
    if (statement.rows.length === 0) return [];
    const [result] = await this.#guard(() => this.database.batch([statement]));
    return result?.rows ?? [];
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      // An engine takes the time that it takes, also while the time of a test flies.
      return await inPortsWords(systemClock, work);
    } catch (error) {
      throw translateTransactionError(error);
    }
  }
}

/** Beside the locks of deduplication, in a name space of its own. */
function markOf(deliveryId: string): string {
  return `outbox:${deliveryId}`;
}

function toValues(delivery: Delivery, nowMs: number): SqlValue[] {
  const { id, subscriber, subscription, eventType, key, perKey, dueAtMs, dedup, body } = delivery;
  const lock = dedup ? JSON.stringify(dedup) : null;
  return [id, subscriber, subscription, eventType, key, perKey, dueAtMs, lock, body, nowMs];
}

function toRow(row: Record<string, unknown>, nowMs: number): OutboxRow {
  const { seq, key, dedup, forwarding_at_ms: forwardingAtMs } = row;
  return {
    seq: Number(seq),
    doubtfulSinceMs: Number(forwardingAtMs) < nowMs ? Number(forwardingAtMs) : null,
    delivery: {
      id: String(row["id"]),
      subscriber: String(row["subscriber"]),
      subscription: String(row["subscription"]),
      eventType: String(row["event_type"]),
      body: String(row["body"]),
      key: typeof key === "string" ? key : null,
      perKey: Number(row["per_key"]),
      dueAtMs: Number(row["due_at_ms"]),
      // Written by `toValues`.
      dedup: typeof dedup === "string" ? (JSON.parse(dedup) as DedupLock) : null,
      // It is committed: a bound on what may wait comes too late.
      maxPending: null,
      outbox: true,
    },
  };
}
