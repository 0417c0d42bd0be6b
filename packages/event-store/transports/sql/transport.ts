import type { BatchStatement, Database, RunResult, TransactionHandle } from "@signalbox/database";
import { type Clock, errorCode, type Logger, silentLogger, systemClock, type Timer } from "@signalbox/kernel";
import { sql } from "kysely";
import { atRoot } from "../../at-root.js";
import { EventStoreError } from "../../errors.js";
import { translateTransactionError } from "../../transaction.js";
import { refillTokens, type TokenBucket, takeTokens } from "../token-bucket.js";
import type {
  Consumer,
  ConsumeSpec,
  Delivery,
  EnqueueResult,
  ExtendResult,
  Lease,
  QueueDepth,
  QueuedDelivery,
  QueueFilter,
  SettleItem,
  SettleResult,
  Transport,
} from "../transport.js";
import { PendingBounds } from "./bounds.js";
import { SqlConsumer } from "./consumer.js";
import { type DedupRows, dedupRows } from "./dedup.js";
import { blocked, type ClaimedRow, type KeyOf, type NewRow, type SqlEngine, statement } from "./engine.js";
import { Gatherer } from "./gatherer.js";
import { SqlLease } from "./lease.js";
import { postgresEngine } from "./postgres.js";
import { sqliteEngine } from "./sqlite.js";

export interface SqlTransportOptions {
  /** Migrated with `eventStoreMigrations`. Closing the transport leaves it open. */
  readonly database: Database;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** How often other processes' deliveries and due ones are looked for. Default 100. */
  readonly pollMs?: number;
  /** How long a delivery id is remembered after it was settled. Default 120,000. */
  readonly repetitionWindowMs?: number;
}

/** The transport on a SQLite file or a PostgreSQL server. Deliveries can be part of the caller's own transaction. */
export function createSqlTransport(options: SqlTransportOptions): Transport {
  return new SqlTransport(options);
}

const wakeChannel = "signalbox_event_deliveries";
const maxRowsTogether = 256;
const engineAwayAfterMs = 5_000;
const purgeEveryMs = 1_000;
const purgeRows = 500;
const purgeRounds = 50;

const retryRow = `update event_deliveries
  set state = 0, available_at_ms = ?, due_at_ms = ?, attempts = ?, progress = ?, body = coalesce(?, body), lease = null, alone = 0
  where seq = ? and lease = ? and state = 1 returning seq`;
const handBackRow = `update event_deliveries set state = 0, available_at_ms = due_at_ms, lease = null, alone = 0
  where seq = ? and lease = ? and state = 1 returning seq`;
const extendRow = `update event_deliveries set available_at_ms = ?, alone = case when ? = 1 then 1 else alone end
  where seq = ? and lease = ? and state = 1 returning seq`;
const settledRow = "select seq from event_deliveries where seq = ? and lease = ? and state = 3";
const unsettledRow = "select id from event_deliveries where id = ? and state <> 3";
const runningCount =
  "select count(*) as running from event_deliveries where subscriber = ? and state = 1 and available_at_ms is not null";
const readBucket = "select tokens, at_ms from event_rate_limits where subscriber = ?";
const writeBucket = `insert into event_rate_limits (subscriber, tokens, at_ms) values (?, ?, ?)
  on conflict (subscriber) do update set tokens = excluded.tokens, at_ms = excluded.at_ms`;
const unsettledSubscribers = `with recursive found (name) as (
    select min(subscriber) from event_deliveries where available_at_ms is not null
    union all
    select (select min(subscriber) from event_deliveries where subscriber > found.name and available_at_ms is not null)
    from found where found.name is not null)
  select name from found where name is not null`;

type Execute = (statements: readonly BatchStatement[]) => Promise<RunResult[]>;

class SqlTransport implements Transport {
  readonly name: string;
  readonly cannot = Object.freeze([]);
  readonly keyIsolation = "exact";
  readonly needsDatabase = false;
  readonly database: Database;
  readonly #engine: SqlEngine;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #pollMs: number;
  readonly #repetitionWindowMs: number;
  readonly #enqueues: Gatherer<Delivery, EnqueueResult>;
  readonly #settles: Gatherer<SettleItem, SettleResult>;
  readonly #bounds: PendingBounds;
  readonly #dedup: DedupRows;
  readonly #consumers = new Map<string, Set<SqlConsumer>>();
  readonly #background = new Set<Promise<unknown>>();
  #state: "new" | "open" | "closed" = "new";
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #unlisten: (() => void) | undefined;
  #pollTimer: Timer | undefined;
  #purgeTimer: Timer | undefined;
  #notifyTimer: Timer | undefined;

  constructor(options: SqlTransportOptions) {
    const { database } = options;
    this.name = database.engine === "postgres" ? "sql (PostgreSQL)" : "sql (SQLite)";
    this.database = database;
    this.#engine = database.engine === "postgres" ? postgresEngine : sqliteEngine;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#pollMs = options.pollMs ?? 100;
    this.#repetitionWindowMs = options.repetitionWindowMs ?? 120_000;
    const shared = { maxItems: maxRowsTogether, isOnesFault };
    this.#enqueues = new Gatherer({ ...shared, perform: (deliveries) => this.#write(deliveries) });
    this.#settles = new Gatherer({ ...shared, perform: (items) => this.#settleAll(items) });
    this.#bounds = new PendingBounds(this.#clock);
    this.#dedup = dedupRows(this.#clock);
  }

  open(): Promise<void> {
    if (this.#state === "closed") return Promise.reject(new EventStoreError("EVT_CLOSED"));
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async enqueue(
    deliveries: readonly Delivery[],
    { transaction }: { readonly transaction?: TransactionHandle } = {},
  ): Promise<readonly EnqueueResult[]> {
    this.#refuseUnlessOpen();
    if (deliveries.length === 0) return [];
    if (!transaction) return this.#enqueues.add(deliveries);
    const results = await this.#guard(() =>
      this.#insert(deliveries, (batch) => this.database.batch(batch, transaction)),
    );
    // Inside a transaction this takes effect with its commit.
    this.database.notify(wakeChannel);
    return results;
  }

  consume(spec: ConsumeSpec, onBatch: (leases: readonly Lease[]) => void): Consumer {
    this.#refuseUnlessOpen();
    const consumer = new SqlConsumer({
      spec,
      onBatch,
      clock: this.#clock,
      logger: this.#logger,
      claim: (self, limit) => this.#claim(self, limit),
      handBack: async (leases) => {
        await this.#settleAll(leases.map((lease) => ({ lease, settlement: { kind: "hand_back" } })));
      },
      onStop: (self) => void this.#consumers.get(spec.subscriber)?.delete(self),
    });
    const others = this.#consumers.get(spec.subscriber);
    if (others) others.add(consumer);
    else this.#consumers.set(spec.subscriber, new Set([consumer]));
    consumer.wake();
    return consumer;
  }

  async settle(items: readonly SettleItem[]): Promise<readonly SettleResult[]> {
    this.#refuseUnlessOpen();
    return items.length === 0 ? [] : this.#settles.add(items);
  }

  async extend(leases: readonly Lease[], { alone = false } = {}): Promise<readonly ExtendResult[]> {
    this.#refuseUnlessOpen();
    const ours = leases.filter((lease) => lease instanceof SqlLease).filter((lease) => !lease.ended);
    if (ours.length === 0) return leases.map(() => "lease_lost");
    const nowMs = this.#clock.nowMs();
    const rows = ours.map((lease) => [nowMs + lease.holder.leaseMs, alone ? 1 : 0, lease.seq, lease.lease]);
    const [result] = await this.#guard(() => this.database.batch([{ sql: extendRow, rows }]));
    const extended = new Set(result?.rows.map((row) => row["seq"]));
    return leases.map((lease) => {
      if (lease instanceof SqlLease && extended.has(lease.seq)) return "extended";
      if (lease instanceof SqlLease) lease.end();
      return "lease_lost";
    });
  }

  async depth(subscriber: string): Promise<QueueDepth> {
    this.#refuseUnlessOpen();
    const nowMs = this.#clock.nowMs();
    const [states, blockedRows] = await this.#guard(() =>
      this.database.batch([
        statement(
          `select state, case when state = 0 and available_at_ms <= ? then 1 else 0 end as ready,
             count(*) as count, min(available_at_ms) as oldest
           from event_deliveries where subscriber = ? and available_at_ms is not null group by 1, 2`,
          nowMs,
          subscriber,
        ),
        statement(
          "select count(*) as count from event_deliveries where subscriber = ? and key is not null and state = 2",
          subscriber,
        ),
      ]),
    );
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

  async peek(filter: QueueFilter, limit: number): Promise<readonly QueuedDelivery[]> {
    this.#refuseUnlessOpen();
    const { where, values } = whereOf(filter);
    const [result] = await this.#guard(() =>
      this.database.batch([
        statement(
          `select id, subscriber, subscription, event_type, key, state, available_at_ms, due_at_ms, attempts, body
           from event_deliveries where ${where} order by seq limit ?`,
          ...values,
          limit,
        ),
      ]),
    );
    const nowMs = this.#clock.nowMs();
    return (result?.rows ?? []).map((row) => toQueued(row, nowMs));
  }

  async remove(filter: QueueFilter): Promise<number> {
    this.#refuseUnlessOpen();
    const { where, values } = whereOf(filter);
    return this.#guard(() => this.#removeRows(where, values));
  }

  async unsettled(ids: readonly string[]): Promise<readonly string[]> {
    this.#refuseUnlessOpen();
    if (ids.length === 0) return [];
    const rows = ids.map((id) => [id]);
    const [result] = await this.#guard(() => this.database.batch([{ sql: unsettledRow, rows }]));
    return (result?.rows ?? []).map((row) => String(row["id"]));
  }

  async subscribers(): Promise<readonly string[]> {
    this.#refuseUnlessOpen();
    const [result] = await this.#guard(() => this.database.batch([statement(unsettledSubscribers)]));
    return (result?.rows ?? []).map((row) => String(row["name"]));
  }

  // Opening and closing

  async #open(): Promise<void> {
    try {
      // Beside the writer, because the first publish may come from inside a transaction.
      await sql`select seq from event_deliveries limit 0`.execute(this.database.reader());
    } catch (error) {
      if (errorCode(error) !== "DATABASE_QUERY_FAILED") throw unavailable(error);
      throw new EventStoreError("EVT_TRANSPORT_UNSUPPORTED", {
        message: "The database has no event store tables; apply `eventStoreMigrations` first",
        cause: error,
      });
    }
    if (this.#state === "closed") throw new EventStoreError("EVT_CLOSED");
    this.#state = "open";
    this.#unlisten = this.database.listen(wakeChannel, () => this.#wakeAll());
    atRoot(() => {
      this.#watch();
      this.#purgeLater();
    });
  }

  async #close(): Promise<void> {
    const wasOpen = this.#state === "open";
    this.#state = "closed";
    await this.#opening?.catch(() => {});
    if (!wasOpen) return;
    this.#unlisten?.();
    this.#pollTimer?.cancel();
    this.#purgeTimer?.cancel();
    this.#notifyTimer?.cancel();
    const consumers = [...this.#consumers.values()].flatMap((set) => [...set]);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await Promise.all([this.#enqueues.drain(), this.#settles.drain(), ...this.#background]);
  }

  #refuseUnlessOpen(): void {
    if (this.#state !== "open") throw new EventStoreError("EVT_CLOSED");
  }

  // Enqueue

  async #write(deliveries: readonly Delivery[]): Promise<readonly EnqueueResult[]> {
    const results = await this.#guard(() =>
      deliveries.some(({ dedup }) => dedup !== null)
        ? this.database.commitTogether((transaction) =>
            this.#insert(deliveries, (batch) => this.database.batch(batch, transaction)),
          )
        : this.#insert(deliveries, (batch) => this.database.batch(batch)),
    );
    const due = new Set<string>();
    const nowMs = this.#clock.nowMs();
    for (const { subscriber, dueAtMs } of deliveries) if (dueAtMs <= nowMs) due.add(subscriber);
    for (const subscriber of due) this.#wake(subscriber);
    if (due.size > 0) this.#notifyOthers();
    return results;
  }

  async #insert(deliveries: readonly Delivery[], execute: Execute): Promise<EnqueueResult[]> {
    const nowMs = this.#clock.nowMs();
    const bounded = deliveries.some(({ maxPending }) => maxPending !== null);
    if (bounded) await this.#bounds.refresh(deliveries, execute);
    const results: EnqueueResult[] = deliveries.map(() => "enqueued");
    const rows: NewRow[] = [];
    const places: number[] = [];
    for (const [place, delivery] of deliveries.entries()) {
      const bytes = delivery.maxPending ? Buffer.byteLength(delivery.body) : null;
      if (bytes !== null && !this.#bounds.admit(delivery, bytes)) {
        results[place] = "full";
        continue;
      }
      const held = delivery.dedup ? await this.#dedup.take(delivery, execute) : undefined;
      if (held) {
        if (bytes !== null) this.#bounds.note(delivery.subscription, -1, -bytes);
        results[place] = held;
        continue;
      }
      places.push(place);
      rows.push(toRow(delivery, nowMs, bytes));
    }
    if (rows.length === 0) return results;
    const count = bounded ? this.#bounds.statementFor(rows.map(pendingOf), 1) : undefined;
    const statements = this.#engine.insert(rows);
    try {
      const inserted = await execute(count ? [...statements, count] : statements);
      for (const index of await this.#repeated(rows, inserted.slice(0, statements.length), execute)) {
        const place = places[index];
        if (place !== undefined) results[place] = "duplicate";
      }
    } catch (error) {
      for (const row of rows) this.#forget(row);
      throw error;
    }
    return results;
  }

  /** Which of the rows were not added because their id was known; they no longer count towards a bound. */
  async #repeated(rows: readonly NewRow[], inserted: readonly RunResult[], execute: Execute): Promise<number[]> {
    const changes = inserted.reduce((sum, result) => sum + result.changes, 0);
    if (changes === rows.length) return [];
    const ids = rows.map(({ id }) => id);
    const lookUp = this.#engine.inserted(ids, changes);
    const answers = !lookUp ? inserted : changes > 0 ? await execute([lookUp]) : [];
    const fresh = new Set(answers.flatMap((result) => result.rows.map((row) => row["id"])));
    // The second of two equal ids in one call is a repetition, too.
    const repeated = [...rows.keys()].filter((index) => !fresh.delete(rows[index]?.id));
    const uncounted = repeated.flatMap((index) => rows[index] ?? []);
    for (const row of uncounted) this.#forget(row);
    const uncount = this.#bounds.statementFor(uncounted.map(pendingOf), -1);
    if (uncount) await execute([uncount]);
    return repeated;
  }

  #forget({ subscription, boundedBytes }: NewRow): void {
    if (boundedBytes !== null) this.#bounds.note(subscription, -1, -boundedBytes);
  }

  // Claim

  async #claim(consumer: SqlConsumer, limit: number): Promise<Claimed> {
    const claimed = await this.#claimDue(consumer, limit);
    const locked = claimed.leases.filter(({ lockName }) => lockName !== null);
    if (locked.length > 0) await this.#dedup.started(locked, (batch) => this.database.batch(batch));
    return claimed;
  }

  async #claimDue(consumer: SqlConsumer, limit: number): Promise<Claimed> {
    const { subscriber, spec } = consumer;
    const limited = spec.maxTotal !== null || spec.rateLimit !== null;
    const exclusive = this.#engine.exclusive(subscriber);
    const lease = drawLease();
    if (!limited && !exclusive) {
      const [result] = await this.database.batch([this.#claimStatement(consumer, limit, lease)]);
      return toLeases(consumer, result, limit, lease);
    }
    return this.database.transaction(async (transaction) => {
      const execute: Execute = (batch) => this.database.batch(batch, transaction);
      if (exclusive) await execute([exclusive]);
      const allowed = limited ? await this.#allowance(consumer, limit, execute) : limit;
      if (allowed <= 0) return { leases: [], more: false };
      const [result] = await execute([this.#claimStatement(consumer, allowed, lease)]);
      const claimed = toLeases(consumer, result, allowed, lease);
      if (spec.rateLimit && claimed.leases.length > 0) await this.#spend(consumer, claimed.leases.length, execute);
      return claimed;
    });
  }

  #claimStatement({ subscriber, spec }: SqlConsumer, limit: number, lease: number): BatchStatement {
    const nowMs = this.#clock.nowMs();
    const leaseUntilMs = nowMs + spec.leaseMs;
    return this.#engine.claim({ subscriber, lease, leaseUntilMs, nowMs, limit, perKey: spec.perKey });
  }

  /** How many the limits over all processes allow now. */
  async #allowance({ subscriber, spec }: SqlConsumer, limit: number, execute: Execute): Promise<number> {
    let allowed = limit;
    if (spec.maxTotal !== null) {
      const [result] = await execute([statement(runningCount, subscriber)]);
      allowed = Math.min(allowed, spec.maxTotal - Number(result?.rows[0]?.["running"] ?? 0));
    }
    if (spec.rateLimit) {
      const bucket = await this.#readBucket(subscriber, spec.rateLimit, execute);
      allowed = Math.min(allowed, Math.floor(refillTokens(bucket, this.#clock.nowMs())));
    }
    return allowed;
  }

  async #spend({ subscriber, spec }: SqlConsumer, count: number, execute: Execute): Promise<void> {
    if (!spec.rateLimit) return;
    const bucket = await this.#readBucket(subscriber, spec.rateLimit, execute);
    const nowMs = this.#clock.nowMs();
    refillTokens(bucket, nowMs);
    takeTokens(bucket, count);
    await execute([statement(writeBucket, subscriber, bucket.tokens, nowMs)]);
  }

  async #readBucket(
    subscriber: string,
    limit: { readonly max: number; readonly perMs: number },
    execute: Execute,
  ): Promise<TokenBucket> {
    const [result] = await execute([statement(readBucket, subscriber)]);
    const row = result?.rows[0];
    const tokens = row ? Number(row["tokens"]) : limit.max;
    return { ...limit, tokens, atMs: row ? Number(row["at_ms"]) : this.#clock.nowMs() };
  }

  // Settle

  async #settleAll(items: readonly SettleItem[]): Promise<readonly SettleResult[]> {
    const ours = items.filter((item): item is OurItem => item.lease instanceof SqlLease && !item.lease.ended);
    const finished = ours
      .filter(({ settlement: { kind } }) => kind === "done" || kind === "dead")
      .map(({ lease }) => lease);
    const locks = finished.filter(({ lockName }) => lockName !== null);
    const exclusive = this.#locksFor(finished);
    const settle = (execute: Execute) => this.#settleRows(ours, finished, locks, exclusive, execute);
    const settledLeases = await this.#guard(() =>
      exclusive.length > 0 || locks.length > 0
        ? this.database.transaction((transaction) => settle((batch) => this.database.batch(batch, transaction)))
        : settle((batch) => this.database.batch(batch)),
    );
    const results = items.map(({ lease }): SettleResult => {
      const known = lease instanceof SqlLease && settledLeases.delete(lease);
      if (lease instanceof SqlLease) lease.end();
      return known ? "settled" : "lease_lost";
    });
    this.#wakeAfter(ours);
    return results;
  }

  async #settleRows(
    items: readonly OurItem[],
    finished: readonly SqlLease[],
    locks: readonly SqlLease[],
    exclusive: readonly BatchStatement[],
    execute: Execute,
  ): Promise<Set<SqlLease>> {
    const nowMs = this.#clock.nowMs();
    const retried = items.filter(({ settlement }) => settlement.kind === "retry");
    const returned = items.filter(({ settlement }) => settlement.kind === "hand_back");
    const keys = keysOf(finished);
    const pending = this.#bounds.statementFor(finished.map(pendingOf), -1);
    const statements = [...exclusive];
    const at = { finished: -1, retried: -1, returned: -1 };
    if (finished.length > 0) at.finished = statements.push(this.#engine.settle(finished, nowMs)) - 1;
    if (keys.length > 0) statements.push(this.#engine.release(keys));
    if (pending) statements.push(pending);
    if (retried.length > 0) at.retried = statements.push({ sql: retryRow, rows: retried.map(retryValues) }) - 1;
    if (returned.length > 0)
      at.returned =
        statements.push({ sql: handBackRow, rows: returned.map(({ lease }) => [lease.seq, lease.lease]) }) - 1;
    const results = statements.length > 0 ? await execute(statements) : [];
    const settledLeases = new Set<SqlLease>();
    const back = new Set(
      [...(results[at.retried]?.rows ?? []), ...(results[at.returned]?.rows ?? [])].map((row) => row["seq"]),
    );
    for (const { lease } of [...retried, ...returned]) if (back.has(lease.seq)) settledLeases.add(lease);
    const done = await this.#settledAmong(finished, results[at.finished]?.changes ?? 0, execute);
    for (const lease of done) {
      settledLeases.add(lease);
      if (lease.boundedBytes !== null) this.#bounds.note(lease.subscription, -1, -lease.boundedBytes);
    }
    if (locks.length > 0) await this.#dedup.finished(locks, execute, (row) => this.#engine.insert([row]));
    return settledLeases;
  }

  /** A lease keeps its number when it is settled, so a doubtful one can be looked up. */
  async #settledAmong(leases: readonly SqlLease[], changes: number, execute: Execute): Promise<readonly SqlLease[]> {
    if (changes === leases.length) return leases;
    if (changes === 0) return [];
    const [result] = await execute([{ sql: settledRow, rows: leases.map(({ seq, lease }) => [seq, lease]) }]);
    const known = new Set(result?.rows.map((row) => row["seq"]));
    return leases.filter(({ seq }) => known.has(seq));
  }

  #locksFor(leases: readonly SqlLease[]): BatchStatement[] {
    const subscribers = new Set<string>();
    for (const { key, holder } of leases) if (key !== null) subscribers.add(holder.subscriber);
    // In one order everywhere, so that two processes never wait for each other.
    return [...subscribers].sort().flatMap((subscriber) => this.#engine.exclusive(subscriber) ?? []);
  }

  #wakeAfter(items: readonly OurItem[]): void {
    const subscribers = new Set<string>();
    for (const { lease, settlement } of items) {
      if (lease.key !== null || settlement.kind === "hand_back") subscribers.add(lease.holder.subscriber);
    }
    for (const subscriber of subscribers) this.#wake(subscriber);
    if (items.some(({ settlement }) => settlement.kind === "hand_back")) this.#notifyOthers();
  }

  // Remove

  async #removeRows(where: string, values: readonly string[]): Promise<number> {
    const selected = `from event_deliveries where ${where}`;
    const count = await this.database.transaction(async (transaction) => {
      const execute: Execute = (batch) => this.database.batch(batch, transaction);
      const [keyed] = await execute([
        statement(`select distinct subscriber, key ${selected} and key is not null`, ...values),
      ]);
      const keys = (keyed?.rows ?? []).map((row) => ({
        subscriber: String(row["subscriber"]),
        key: String(row["key"]),
        perKey: 1,
      }));
      const locks = [...new Set(keys.map(({ subscriber }) => subscriber))]
        .sort()
        .flatMap((subscriber) => this.#engine.exclusive(subscriber) ?? []);
      if (locks.length > 0) await execute(locks);
      const [removed] = await execute([
        statement(`delete ${selected} returning id, subscription, bounded_bytes, lock_name`, ...values),
      ]);
      const rows = removed?.rows ?? [];
      const pending = this.#bounds.statementFor(
        rows.map((row) => ({
          subscription: String(row["subscription"]),
          bytes: row["bounded_bytes"] === null ? null : Number(row["bounded_bytes"]),
        })),
        -1,
      );
      const after: BatchStatement[] = [];
      if (pending) after.push(pending);
      if (keys.length > 0) after.push(this.#engine.release(keys));
      const locked = rows.filter((row) => row["lock_name"] !== null).map((row) => [String(row["id"])]);
      if (locked.length > 0) after.push({ sql: "delete from event_dedup where delivery_id = ?", rows: locked });
      if (after.length > 0) await execute(after);
      return rows.length;
    });
    this.#bounds.forgetFigures();
    return count;
  }

  // Wake-ups and housekeeping

  #wake(subscriber: string): void {
    for (const consumer of this.#consumers.get(subscriber) ?? []) consumer.wake();
  }

  #wakeAll(): void {
    for (const subscriber of this.#consumers.keys()) this.#wake(subscriber);
  }

  /** Listeners in other processes; under load one wake-up stands for many. */
  #notifyOthers(): void {
    if (this.database.engine !== "postgres" || this.#notifyTimer || this.#state !== "open") return;
    this.#notifyTimer = this.#clock.setTimer(5, () => {
      this.#notifyTimer = undefined;
      this.database.notify(wakeChannel);
    });
  }

  #watch(): void {
    this.#pollTimer = this.#clock.setTimer(this.#pollMs, () => {
      this.#runInBackground(
        this.#poll()
          .catch((error: unknown) => this.#logger.debug("the queue could not be looked at", { error }))
          .finally(() => {
            if (this.#state === "open") this.#watch();
          }),
      );
    });
  }

  async #poll(): Promise<void> {
    const names = [...this.#consumers].filter(([, consumers]) => consumers.size > 0).map(([name]) => name);
    if (names.length === 0) return;
    const look = this.#engine.next(names);
    const { rows: found } = await this.database.run(look.sql, look.rows[0]);
    const nowMs = this.#clock.nowMs();
    const expired: string[] = [];
    for (const row of found) {
      const name = String(row["subscriber"]);
      if (row["running"] !== null && Number(row["running"]) <= nowMs) expired.push(name);
      if (row["waiting"] !== null && Number(row["waiting"]) <= nowMs) this.#wake(name);
    }
    if (expired.length === 0) return;
    await this.database.batch([this.#engine.expire(expired, nowMs)]);
    for (const name of expired) this.#wake(name);
  }

  #purgeLater(): void {
    this.#purgeTimer = this.#clock.setTimer(purgeEveryMs, () => {
      this.#runInBackground(
        this.#purge()
          .catch((error: unknown) => this.#logger.debug("settled deliveries could not be deleted", { error }))
          .finally(() => {
            if (this.#state === "open") this.#purgeLater();
          }),
      );
    });
  }

  async #purge(): Promise<void> {
    const beforeMs = this.#clock.nowMs() - this.#repetitionWindowMs;
    for (let round = 0; round < purgeRounds && this.#state === "open"; round++) {
      const [result] = await this.database.batch([this.#engine.purge(beforeMs, purgeRows)]);
      if ((result?.changes ?? 0) < purgeRows) return;
    }
  }

  #runInBackground(work: Promise<unknown>): void {
    this.#background.add(work);
    const forget = (): void => void this.#background.delete(work);
    work.then(forget, (error: unknown) => {
      forget();
      this.#logger.warn("background work of the transport failed", { error });
    });
  }

  /** Answers within five seconds, in the words of the port. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = this.#clock.setTimer(engineAwayAfterMs, () => reject(unavailable(undefined)));
    });
    try {
      return await Promise.race([work(), late]);
    } catch (error) {
      throw translate(error);
    } finally {
      timer?.cancel();
    }
  }
}

interface Claimed {
  readonly leases: SqlLease[];
  /** Another look is worth while. */
  readonly more: boolean;
}

function toLeases(consumer: SqlConsumer, result: RunResult | undefined, limit: number, lease: number): Claimed {
  // The columns are those that the claim returns.
  const rows = (result?.rows ?? []) as unknown as readonly (ClaimedRow & { readonly state?: number })[];
  const leases = rows.filter((row) => row.state !== blocked).map((row) => new SqlLease(row, lease, consumer));
  leases.sort((left, right) => left.dueAtMs - right.dueAtMs || left.seq - right.seq);
  return { leases, more: rows.length === limit };
}

interface OurItem extends SettleItem {
  readonly lease: SqlLease;
}

/** 52 random bits: the chance that a row is offered again under the same number is nil. */
function drawLease(): number {
  return Math.floor(Math.random() * 2 ** 52) + 1;
}

function toRow(delivery: Delivery, nowMs: number, boundedBytes: number | null): NewRow {
  return {
    id: delivery.id,
    subscriber: delivery.subscriber,
    subscription: delivery.subscription,
    eventType: delivery.eventType,
    key: delivery.key,
    perKey: delivery.perKey,
    dueAtMs: delivery.dueAtMs || nowMs,
    boundedBytes,
    lockName: delivery.dedup ? `${delivery.dedup.until}:${delivery.dedup.lock}` : null,
    body: delivery.body,
  };
}

function pendingOf(row: { readonly subscription: string; readonly boundedBytes: number | null }) {
  return { subscription: row.subscription, bytes: row.boundedBytes };
}

function retryValues({ lease, settlement }: OurItem): (string | number | null)[] {
  if (settlement.kind !== "retry") return [];
  const { dueAtMs, attempts, progress, body } = settlement;
  return [dueAtMs, dueAtMs, attempts, progress, body ?? null, lease.seq, lease.lease];
}

function keysOf(leases: readonly SqlLease[]): KeyOf[] {
  return leases.flatMap(({ key, holder }) =>
    key === null ? [] : [{ subscriber: holder.subscriber, key, perKey: holder.perKey }],
  );
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

function toQueued(row: Record<string, unknown>, nowMs: number): QueuedDelivery {
  const dueAtMs = Number(row["due_at_ms"]);
  return {
    id: String(row["id"]),
    subscriber: String(row["subscriber"]),
    subscription: String(row["subscription"]),
    eventType: String(row["event_type"]),
    key: row["key"] === null ? null : String(row["key"]),
    state: row["state"] === 2 ? "blocked" : dueAtMs <= nowMs ? "ready" : "scheduled",
    dueAtMs,
    attempts: Number(row["attempts"]),
    body: String(row["body"]),
  };
}

function isOnesFault(error: unknown): boolean {
  const code = errorCode(error instanceof Error ? error.cause : undefined);
  return code === "DATABASE_INVALID_VALUE" || code === "DATABASE_CONSTRAINT" || code === "DATABASE_QUERY_FAILED";
}

function unavailable(cause: unknown): EventStoreError {
  return new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", cause === undefined ? {} : { cause });
}

function translate(error: unknown): unknown {
  const translated = translateTransactionError(error);
  if (translated instanceof EventStoreError) return translated;
  if (errorCode(error) === "DATABASE_FULL") return new EventStoreError("EVT_TRANSPORT_FULL", { cause: error });
  return unavailable(error);
}
