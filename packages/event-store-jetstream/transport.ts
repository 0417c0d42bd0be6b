import type { Database } from "@signalbox/database";
import {
  type Consumer,
  type ConsumeSpec,
  createSqlTransport,
  type Delivery,
  type EnqueueResult,
  EventStoreError,
  type ExtendResult,
  type Lease,
  type LeaseMark,
  type QueueDepth,
  type QueuedDelivery,
  type QueueFilter,
  type SettleItem,
  type SettleResult,
  type Transport,
} from "@signalbox/event-store";
import { atRoot, type OptionRule, optionRules, readTransportOptions } from "@signalbox/event-store/adapter";
import { type Clock, type Logger, silentLogger, systemClock, type Timer } from "@signalbox/kernel";
import { Allowance } from "./allowance.js";
import { PendingBounds } from "./bounds.js";
import { JetStreamConsumer } from "./consumer.js";
import { DedupLocks } from "./dedup.js";
import { enqueueDeliveries } from "./enqueue.js";
import { type Link, type LinkOptions, openLink } from "./link.js";
import { defaultNames, type Names, partitionOf, wakeSubject } from "./names.js";
import { Notes } from "./notes.js";
import type { JetStreamParts } from "./parts.js";
import { inPortsWords } from "./port-errors.js";
import { peekQueue, queueDepth, removeFromQueue, subscribersInQueue, unsettledIds } from "./queue.js";
import { RecentMessages } from "./recent-messages.js";
import { moveDue } from "./schedule.js";
import { extendLeases, settleLeases } from "./settle.js";
import { ensureStream } from "./stream.js";
import { Tick } from "./tick.js";
import { StreamWatch } from "./watch.js";

export interface JetStreamTransportOptions {
  /** Address of a NATS server of version 2.9 or later, or addresses of one cluster. */
  readonly servers: string | readonly string[];
  /** Credentials, TLS and whatever else the client is to know. */
  readonly connection?: LinkOptions["connection"];
  /**
   * Holds what the stream cannot: delays, retries, notes, locks. Migrated with `eventStoreMigrations` and
   * `jetStreamMigrations`. Closing the transport leaves it open.
   */
  readonly database: Database;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Most bytes in the stream; publishing beyond is refused as full. Default 10 GiB. */
  readonly maxBytes?: number;
  /** Servers of a cluster that hold each delivery. Default 1. */
  readonly replicas?: number;
  /** How long a delivery id is remembered. Default 120,000. */
  readonly repetitionWindowMs?: number;
  /** Keys are spread over so many partitions; fixed while deliveries wait. Default 16. */
  readonly partitions?: number;
  /** Other names let several stores share a server. */
  readonly names?: Names;
}

export interface JetStreamTransport extends Transport {
  /** Resolves when the server answers. @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE`, `EVT_CLOSED`. */
  ping(): Promise<void>;
}

/** Announcements to other processes: under load one stands for many. */
const announceGapMs = 5;

const { clock, database, integer, logger, object, repetitionWindowMs } = optionRules;
const rules: Readonly<Record<keyof JetStreamTransportOptions, OptionRule>> = {
  servers: (value, option, refuse) => {
    const addresses = Array.isArray(value) ? value : [value];
    if (addresses.length === 0 || !addresses.every((address) => typeof address === "string" && address !== ""))
      refuse(option, "`servers` must be an address or a list of addresses, nats://127.0.0.1:4222 for example");
  },
  connection: object,
  database,
  clock,
  logger,
  maxBytes: integer(1_024, Number.MAX_SAFE_INTEGER),
  replicas: integer(1, 5),
  repetitionWindowMs,
  partitions: integer(1, 256),
  names: object,
};

/** The transport on a NATS JetStream server. @throws {EventStoreError} `EVT_CONFIG_INVALID`. */
export function createJetStreamTransport(options: JetStreamTransportOptions): JetStreamTransport {
  return new JetStream(readTransportOptions(options, rules, ["database"]));
}

class JetStream implements JetStreamTransport {
  readonly name = "NATS JetStream";
  readonly cannot = Object.freeze(["key-isolation-exact", "retries-follow-clock"] as const);
  readonly keyIsolation = "partition";
  readonly needsDatabase = true;
  readonly #options: JetStreamTransportOptions;
  readonly #names: Names;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #consumers = new Map<string, Set<JetStreamConsumer>>();
  readonly #movers = new Map<string, Consumer>();
  /** Consumers whose leases may still be settled. */
  readonly #all = new Set<JetStreamConsumer>();
  readonly #underway = new Set<Promise<unknown>>();
  readonly #announced = new Map<string, readonly [subscriber: string, partition: string]>();
  #open: Opened | undefined;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #announceTimer: Timer | undefined;

  constructor(options: JetStreamTransportOptions) {
    this.#options = options;
    this.#names = options.names ?? defaultNames;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  get engineVersion(): string | undefined {
    return this.#open?.parts.link.serverVersion;
  }

  open(): Promise<void> {
    if (this.#closing) return Promise.reject(new EventStoreError("EVT_CLOSED"));
    this.#opening ??= atRoot(() => this.#connect()).catch((error: unknown) => {
      this.#opening = undefined;
      throw inPortsWords(error);
    });
    return this.#opening;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async ping(): Promise<void> {
    const { parts } = this.#opened();
    if (!parts.link.isUp) throw new EventStoreError("EVT_TRANSPORT_UNAVAILABLE");
    await this.#track(parts.link.ping());
  }

  async enqueue(deliveries: readonly Delivery[], options: { readonly transaction?: unknown } = {}) {
    const { parts } = this.#opened();
    if (options.transaction !== undefined)
      throw new EventStoreError("EVT_TRANSACTION_FOREIGN", {
        message: "JetStream cannot be part of a transaction of a database",
      });
    return this.#track<readonly EnqueueResult[]>(enqueueDeliveries(deliveries, parts));
  }

  consume(spec: ConsumeSpec, onBatch: (leases: readonly Lease[]) => void): Consumer {
    const { parts, allowance, tick } = this.#opened();
    const { subscriber } = spec;
    const consumer = new JetStreamConsumer({
      spec,
      onBatch,
      parts,
      allowance,
      tick,
      handBack: async (leases) => {
        await this.#settle(leases.map((lease) => ({ lease, settlement: { kind: "hand_back" } })));
      },
      onStop: (self) => {
        const left = this.#consumers.get(subscriber);
        left?.delete(self);
        if (left?.size !== 0) return;
        void this.#movers.get(subscriber)?.stop();
        this.#movers.delete(subscriber);
      },
    });
    this.#all.add(consumer);
    const others = this.#consumers.get(subscriber);
    if (others) others.add(consumer);
    else this.#consumers.set(subscriber, new Set([consumer]));
    if (!this.#movers.has(subscriber)) this.#movers.set(subscriber, moveDue(subscriber, parts));
    return consumer;
  }

  async settle(items: readonly SettleItem[]): Promise<readonly SettleResult[]> {
    this.#opened();
    return this.#track(this.#settle(items));
  }

  async extend(
    leases: readonly Lease[],
    { mark }: { readonly mark?: LeaseMark } = {},
  ): Promise<readonly ExtendResult[]> {
    const { parts } = this.#opened();
    return this.#track(extendLeases(leases, mark, parts));
  }

  async depth(subscriber: string): Promise<QueueDepth> {
    const { parts } = this.#opened();
    return this.#track(queueDepth(subscriber, parts));
  }

  async peek(filter: QueueFilter, limit: number): Promise<readonly QueuedDelivery[]> {
    const { parts } = this.#opened();
    return this.#track(peekQueue(filter, limit, parts));
  }

  async remove(filter: QueueFilter): Promise<number> {
    const { parts } = this.#opened();
    return this.#track(removeFromQueue(filter, parts));
  }

  async unsettled(ids: readonly string[]): Promise<readonly string[]> {
    const { parts } = this.#opened();
    return this.#track(unsettledIds(ids, parts));
  }

  async subscribers(): Promise<readonly string[]> {
    const { parts } = this.#opened();
    return this.#track(subscribersInQueue(parts));
  }

  async #connect(): Promise<void> {
    const { database, servers, connection } = this.#options;
    const clock = this.#clock;
    const logger = this.#logger;
    const names = this.#names;
    const repetitionWindowMs = this.#options.repetitionWindowMs ?? 120_000;
    const partitions = this.#options.partitions ?? 16;
    const schedule = createSqlTransport({ database, clock, logger, repetitionWindowMs });
    await schedule.open();
    let link: Link | undefined;
    try {
      link = await openLink({ servers, ...(connection ? { connection } : {}), clock, logger });
      await ensureStream(link, names, {
        maxBytes: this.#options.maxBytes ?? 10_737_418_240,
        replicas: this.#options.replicas ?? 1,
        repetitionWindowMs,
        partitions,
      });
      if (this.#closing) throw new EventStoreError("EVT_CLOSED");
    } catch (error) {
      await link?.close();
      await schedule.close();
      throw error;
    }
    const parts: JetStreamParts = {
      link,
      names,
      partitionOf: (key) => partitionOf(key, partitions),
      database,
      clock,
      logger,
      notes: new Notes(database, clock),
      locks: new DedupLocks(database, clock),
      bounds: new PendingBounds(link, names, database, clock),
      settled: new RecentMessages(),
      schedule,
      wake: (subscriber, partition) => this.#announce(subscriber, partition),
    };
    const allowance = new Allowance(database, clock);
    const found = (subscriber: string, partition: string): void => this.#wake(subscriber, partition);
    const consumed = (): string[] =>
      [...this.#consumers].filter(([, consumers]) => consumers.size > 0).map(([subscriber]) => subscriber);
    const watch = new StreamWatch({ parts, allowance, consumed, found });
    const announcements = `${names.root}.wake.*.*`;
    link.subscribe(announcements, ({ subject }) => {
      const [subscriber = "", partition = ""] = subject.slice(names.root.length + 6).split(".");
      this.#wake(subscriber.replaceAll("-", "."), partition);
    });
    this.#open = { parts, allowance, tick: new Tick(clock), watch };
    watch.start();
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {});
    const opened = this.#open;
    if (!opened) return;
    const consumers = [...this.#all];
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await Promise.allSettled([...this.#underway]);
    this.#open = undefined;
    for (const consumer of consumers) consumer.close();
    this.#flushAnnouncements(opened.parts);
    await opened.watch.stop();
    opened.tick.stop();
    await opened.parts.schedule.close();
    await opened.allowance.renew().catch(() => {});
    await opened.parts.link.close();
  }

  async #settle(items: readonly SettleItem[]): Promise<readonly SettleResult[]> {
    const { parts } = this.#opened({ whileClosing: true });
    try {
      return await settleLeases(items, parts, (delivery) => enqueueDeliveries([delivery], parts));
    } catch (error) {
      throw inPortsWords(error);
    }
  }

  /** Something may be in the partition, for consumers here and elsewhere. */
  #announce(subscriber: string, partition: string): void {
    this.#wake(subscriber, partition);
    this.#announced.set(`${subscriber}/${partition}`, [subscriber, partition]);
    this.#announceTimer ??= this.#clock.setTimer(announceGapMs, () => {
      this.#announceTimer = undefined;
      if (this.#open) this.#flushAnnouncements(this.#open.parts);
    });
  }

  #flushAnnouncements({ link, names, logger }: JetStreamParts): void {
    this.#announceTimer?.cancel();
    this.#announceTimer = undefined;
    try {
      for (const [subscriber, partition] of this.#announced.values())
        link.send(wakeSubject(names, subscriber, partition));
    } catch (error) {
      // Everybody also looks by himself.
      logger.debug("deliveries could not be announced", { error });
    }
    this.#announced.clear();
  }

  #wake(subscriber: string, partition: string): void {
    for (const consumer of this.#consumers.get(subscriber) ?? []) consumer.wakePartition(partition);
  }

  /** Its errors in the words of the port; closing waits for it. */
  async #track<T>(work: Promise<T>): Promise<T> {
    this.#underway.add(work);
    try {
      return await work;
    } catch (error) {
      throw inPortsWords(error);
    } finally {
      this.#underway.delete(work);
    }
  }

  #opened({ whileClosing = false } = {}): Opened {
    if (!this.#open || (this.#closing && !whileClosing)) throw new EventStoreError("EVT_CLOSED");
    return this.#open;
  }
}

interface Opened {
  readonly parts: JetStreamParts;
  readonly allowance: Allowance;
  readonly tick: Tick;
  readonly watch: StreamWatch;
}
