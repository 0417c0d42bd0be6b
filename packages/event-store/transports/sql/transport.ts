import type { Database, TransactionHandle } from "@signalbox/database";
import { type Clock, errorCode, type Logger, silentLogger, systemClock, type Timer } from "@signalbox/kernel";
import { sql } from "kysely";
import { atRoot } from "../../at-root.js";
import { EventStoreError } from "../../errors.js";
import { optionRules, readTransportOptions } from "../check-transport-options.js";
import type {
  Consumer,
  ConsumeSpec,
  Delivery,
  EnqueueResult,
  ExtendResult,
  Lease,
  LeaseMark,
  QueueDepth,
  QueuedDelivery,
  QueueFilter,
  SettleItem,
  SettleResult,
  Transport,
} from "../transport.js";
import { PendingBounds } from "./bounds.js";
import { claimDeliveries } from "./claim.js";
import { SqlConsumer } from "./consumer.js";
import { dedupRows } from "./dedup.js";
import { Gatherer } from "./gatherer.js";
import { insertDeliveries } from "./insert.js";
import type { SqlParts } from "./parts.js";
import { inPortsWords, isOnesFault, unavailable } from "./port-errors.js";
import { postgresEngine } from "./postgres.js";
import { countUnsettled, peekQueue, queueDepth, removeFromQueue, subscribersInQueue, unsettledIds } from "./queue.js";
import { extendLeases, heldAmong, settleLeases } from "./settle.js";
import { sqliteEngine } from "./sqlite.js";
import { QueueWatch } from "./watch.js";

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

const { clock, logger, database, pollMs, repetitionWindowMs } = optionRules;

/**
 * The transport on a SQLite file or a PostgreSQL server. Deliveries can be part of the caller's own transaction.
 * @throws {EventStoreError} `EVT_CONFIG_INVALID`.
 */
export function createSqlTransport(options: SqlTransportOptions): Transport {
  return new SqlTransport(
    readTransportOptions(options, { database, clock, logger, pollMs, repetitionWindowMs }, ["database"]),
  );
}

const wakeChannel = "signalbox_event_deliveries";
const maxRowsTogether = 256;
/** Under load one wake-up of other processes stands for many. */
const notifyGapMs = 5;

class SqlTransport implements Transport {
  readonly name: string;
  readonly cannot = Object.freeze([]);
  readonly keyIsolation = "exact";
  readonly needsDatabase = false;
  readonly database: Database;
  readonly #parts: SqlParts;
  readonly #logger: Logger;
  readonly #enqueues: Gatherer<Delivery, EnqueueResult>;
  readonly #settles: Gatherer<SettleItem, SettleResult>;
  readonly #consumers = new Map<string, Set<SqlConsumer>>();
  readonly #watch: QueueWatch;
  #engineVersion: string | undefined;
  #state: "new" | "open" | "closed" = "new";
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #unlisten: (() => void) | undefined;
  #notifyTimer: Timer | undefined;

  constructor(options: SqlTransportOptions) {
    const { database, clock = systemClock, logger = silentLogger } = options;
    this.name = database.engine === "postgres" ? "sql (PostgreSQL)" : "sql (SQLite)";
    this.database = database;
    this.#logger = logger;
    const engine = database.engine === "postgres" ? postgresEngine : sqliteEngine;
    this.#parts = { database, engine, clock, bounds: new PendingBounds(clock), dedup: dedupRows(clock) };
    const shared = { maxItems: maxRowsTogether, isOnesFault };
    this.#enqueues = new Gatherer({ ...shared, perform: (deliveries) => this.#write(deliveries) });
    this.#settles = new Gatherer({ ...shared, perform: (items) => this.#settleAll(items) });
    this.#watch = new QueueWatch({
      parts: this.#parts,
      logger,
      pollMs: options.pollMs ?? 100,
      repetitionWindowMs: options.repetitionWindowMs ?? 120_000,
      consumed: () => [...this.#consumers].filter(([, consumers]) => consumers.size > 0).map(([name]) => name),
      leaseMs: () =>
        Math.max(0, ...[...this.#consumers.values()].flatMap((all) => [...all].map(({ leaseMs }) => leaseMs))),
      wake: (subscriber) => this.#wake(subscriber),
    });
  }

  get engineVersion(): string | undefined {
    return this.#engineVersion;
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

  enqueue(
    deliveries: readonly Delivery[],
    options?: { readonly transaction?: TransactionHandle },
  ): Promise<readonly EnqueueResult[]> {
    if (this.#state !== "open") return Promise.reject(new EventStoreError("EVT_CLOSED"));
    if (deliveries.length === 0) return Promise.resolve([]);
    return options?.transaction ? this.#enqueueInside(options.transaction, deliveries) : this.#enqueues.add(deliveries);
  }

  consume(spec: ConsumeSpec, onBatch: (leases: readonly Lease[]) => void): Consumer {
    this.#refuseUnlessOpen();
    const consumer = new SqlConsumer({
      spec,
      onBatch,
      clock: this.#parts.clock,
      logger: this.#logger,
      claim: (self, limit) => claimDeliveries(self, limit, this.#parts),
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

  async extend(
    leases: readonly Lease[],
    { mark }: { readonly mark?: LeaseMark } = {},
  ): Promise<readonly ExtendResult[]> {
    this.#refuseUnlessOpen();
    return this.#guard(() => extendLeases(leases, mark, this.#parts));
  }

  async depth(subscriber: string): Promise<QueueDepth> {
    this.#refuseUnlessOpen();
    return this.#guard(() => queueDepth(subscriber, this.#parts));
  }

  async countUnsettled(subscriber: string, idPrefix: string): Promise<number> {
    this.#refuseUnlessOpen();
    return this.#guard(() => countUnsettled(subscriber, idPrefix, this.#parts));
  }

  async peek(filter: QueueFilter, limit: number): Promise<readonly QueuedDelivery[]> {
    this.#refuseUnlessOpen();
    return this.#guard(() => peekQueue(filter, limit, this.#parts));
  }

  async remove(filter: QueueFilter): Promise<number> {
    this.#refuseUnlessOpen();
    return this.#guard(() => removeFromQueue(filter, this.#parts));
  }

  async unsettled(ids: readonly string[]): Promise<readonly string[]> {
    this.#refuseUnlessOpen();
    return this.#guard(() => unsettledIds(ids, this.#parts));
  }

  async subscribers(): Promise<readonly string[]> {
    this.#refuseUnlessOpen();
    return this.#guard(() => subscribersInQueue(this.#parts));
  }

  async #open(): Promise<void> {
    try {
      // Beside the writer, because the first publish may come from inside a transaction.
      const reader = this.database.reader();
      await sql`select seq from event_deliveries limit 0`.execute(reader);
      this.#engineVersion = await readVersion(reader, this.database.engine);
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
    atRoot(() => this.#watch.start());
  }

  async #close(): Promise<void> {
    const wasOpen = this.#state === "open";
    this.#state = "closed";
    await this.#opening?.catch(() => {});
    if (!wasOpen) return;
    this.#unlisten?.();
    this.#notifyTimer?.cancel();
    const consumers = [...this.#consumers.values()].flatMap((set) => [...set]);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await Promise.all([this.#enqueues.drain(), this.#settles.drain(), this.#watch.stop()]);
  }

  async #enqueueInside(
    transaction: TransactionHandle,
    deliveries: readonly Delivery[],
  ): Promise<readonly EnqueueResult[]> {
    const results = await this.#guard(() =>
      insertDeliveries(deliveries, this.#parts, (batch) => this.database.batch(batch, transaction)),
    );
    // Takes effect with the commit.
    this.database.notify(wakeChannel);
    return results;
  }

  async #write(deliveries: readonly Delivery[]): Promise<readonly EnqueueResult[]> {
    const { database } = this;
    const results = await this.#guard(() =>
      // A lock is looked at and taken in steps, which have to be one transaction.
      deliveries.some(({ dedup }) => dedup !== null)
        ? database.commitTogether((transaction) =>
            insertDeliveries(deliveries, this.#parts, (batch) => database.batch(batch, transaction)),
          )
        : insertDeliveries(deliveries, this.#parts, (batch) => database.batch(batch)),
    );
    const due = new Set<string>();
    const nowMs = this.#parts.clock.nowMs();
    for (const { subscriber, dueAtMs } of deliveries) if (dueAtMs <= nowMs) due.add(subscriber);
    for (const subscriber of due) this.#wake(subscriber);
    if (due.size > 0) this.#wakeOthers();
    return results;
  }

  async #settleAll(items: readonly SettleItem[]): Promise<readonly SettleResult[]> {
    const held = heldAmong(items);
    const results = await this.#guard(() => settleLeases(items, this.#parts));
    const returned = held.filter(({ settlement }) => settlement.kind === "hand_back");
    const released = held.filter(({ lease }) => lease.key !== null);
    const subscribers = new Set([...returned, ...released].map(({ lease }) => lease.holder.subscriber));
    for (const subscriber of subscribers) this.#wake(subscriber);
    if (returned.length > 0) this.#wakeOthers();
    return results;
  }

  #wake(subscriber: string): void {
    for (const consumer of this.#consumers.get(subscriber) ?? []) consumer.wake();
  }

  #wakeAll(): void {
    for (const subscriber of this.#consumers.keys()) this.#wake(subscriber);
  }

  #wakeOthers(): void {
    if (this.database.engine !== "postgres" || this.#notifyTimer || this.#state !== "open") return;
    this.#notifyTimer = this.#parts.clock.setTimer(notifyGapMs, () => {
      this.#notifyTimer = undefined;
      this.database.notify(wakeChannel);
    });
  }

  #guard<T>(work: () => Promise<T>): Promise<T> {
    return inPortsWords(this.#parts.clock, work);
  }

  #refuseUnlessOpen(): void {
    if (this.#state !== "open") throw new EventStoreError("EVT_CLOSED");
  }
}

async function readVersion(
  reader: ReturnType<Database["reader"]>,
  engine: Database["engine"],
): Promise<string | undefined> {
  const asked =
    engine === "postgres" ? sql<Version>`show server_version` : sql<Version>`select sqlite_version() as server_version`;
  const { rows } = await asked.execute(reader);
  return rows[0]?.server_version;
}

interface Version {
  readonly server_version: string;
}
