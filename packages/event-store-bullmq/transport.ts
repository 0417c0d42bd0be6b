import {
  type Consumer,
  type ConsumeSpec,
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
import { atRoot, Gatherer, type OptionRule, optionRules, readTransportOptions } from "@signalbox/event-store/adapter";
import { type Clock, type Logger, silentLogger, systemClock } from "@signalbox/kernel";
import type { Redis } from "ioredis";
import { checkServer } from "./check-server.js";
import { claimJobs } from "./claim.js";
import { JobConsumer } from "./consumer.js";
import { enqueueJobs } from "./enqueue.js";
import { queueName } from "./job.js";
import type { RedisParts } from "./parts.js";
import { busySubscribers, peekQueues, queueDepth, removeFromQueues, unsettledIds } from "./queue.js";
import { ask, connectTo, reach } from "./redis.js";
import { extendJobs, heldAmong, settleJobs } from "./settle.js";
import { QueueWatch } from "./watch.js";

export interface BullmqTransportOptions {
  /** `redis://` or `rediss://`, with user, password and number of the database where needed. */
  readonly url: string;
  /** What all keys begin with, BullMQ's `prefix`. Default `signalbox`. */
  readonly prefix?: string;
  /** Takes a server without append-only file: what it acknowledged is gone when it ends. Default false. */
  readonly allowVolatile?: boolean;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** How often due deliveries and leases that ran out are looked for. Default 200. */
  readonly pollMs?: number;
  /** How long a delivery id is remembered after it was settled. Default 120,000. */
  readonly repetitionWindowMs?: number;
}

export interface BullmqTransport extends Transport {
  /** Resolves when Redis answers within five seconds. @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE`, `EVT_CLOSED`. */
  ping(): Promise<void>;
}

const { boolean, clock, logger, pollMs, repetitionWindowMs, text } = optionRules;
const rules: Readonly<Record<keyof BullmqTransportOptions, OptionRule>> = {
  url: text,
  prefix: text,
  allowVolatile: boolean,
  clock,
  logger,
  pollMs,
  repetitionWindowMs,
};

/**
 * The transport on BullMQ: each subscriber has a BullMQ queue of its own name, each delivery is a job in it. Needs
 * Redis 6.2 with an append-only file and `maxmemory-policy noeviction`, and a store with `database`.
 * @throws {EventStoreError} `EVT_CONFIG_INVALID`.
 */
export function createBullmqTransport(options: BullmqTransportOptions): BullmqTransport {
  return new RedisTransport(readTransportOptions(options, rules, ["url"]));
}

/** More of them would keep Redis from answering others for too long. */
const maxJobsTogether = 256;
const prefixPattern = /^[A-Za-z0-9_-]{1,100}$/;

class RedisTransport implements BullmqTransport {
  readonly name = "BullMQ";
  readonly cannot = Object.freeze(["retries-follow-clock"] as const);
  readonly keyIsolation = "exact";
  readonly needsDatabase = true;
  readonly #parts: RedisParts;
  readonly #allowVolatile: boolean;
  /** A connection that listens can say nothing else. */
  readonly #listener: Redis;
  readonly #enqueues: Gatherer<Delivery, EnqueueResult>;
  readonly #settles: Gatherer<SettleItem, SettleResult>;
  readonly #consumers = new Map<string, Set<JobConsumer>>();
  readonly #watch: QueueWatch;
  #engineVersion: string | undefined;
  #state: "new" | "open" | "closed" = "new";
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: BullmqTransportOptions) {
    const { url, prefix = "signalbox", clock = systemClock, logger = silentLogger } = options;
    checkOptions(url, prefix);
    this.#allowVolatile = options.allowVolatile ?? false;
    const redis = connectTo(url);
    this.#listener = connectTo(url);
    for (const connection of [redis, this.#listener]) this.#logErrors(connection, logger);
    this.#parts = { redis, prefix, clock, logger, repetitionWindowMs: options.repetitionWindowMs ?? 120_000 };
    const shared = { maxItems: maxJobsTogether, isOnesFault: () => false };
    this.#enqueues = new Gatherer({ ...shared, perform: (deliveries) => this.#write(deliveries) });
    this.#settles = new Gatherer({ ...shared, perform: (items) => this.#settleAll(items) });
    this.#watch = new QueueWatch({
      parts: this.#parts,
      pollMs: options.pollMs ?? 200,
      consumed: () => [...this.#consumers].filter(([, consumers]) => consumers.size > 0).map(([name]) => name),
      wake: (subscriber) => this.#wake(subscriber),
    });
  }

  get engineVersion(): string | undefined {
    return this.#engineVersion;
  }

  open(): Promise<void> {
    if (this.#state === "closed") return Promise.reject(new EventStoreError("EVT_CLOSED"));
    this.#opening ??= atRoot(() => this.#open()).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  enqueue(deliveries: readonly Delivery[]): Promise<readonly EnqueueResult[]> {
    try {
      this.#refuseUnlessOpen();
      for (const { subscriber } of deliveries) queueName(subscriber);
    } catch (error) {
      return Promise.reject(error);
    }
    return deliveries.length === 0 ? Promise.resolve([]) : this.#enqueues.add(deliveries);
  }

  consume(spec: ConsumeSpec, onBatch: (leases: readonly Lease[]) => void): Consumer {
    this.#refuseUnlessOpen();
    queueName(spec.subscriber);
    const consumer = new JobConsumer({
      spec,
      onBatch,
      clock: this.#parts.clock,
      logger: this.#parts.logger,
      claim: (self, limit) => claimJobs(self, limit, this.#parts),
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
    return extendJobs(leases, mark, this.#parts);
  }

  async depth(subscriber: string): Promise<QueueDepth> {
    this.#refuseUnlessOpen();
    return queueDepth(subscriber, this.#parts);
  }

  async peek(filter: QueueFilter, limit: number): Promise<readonly QueuedDelivery[]> {
    this.#refuseUnlessOpen();
    return peekQueues(filter, limit, this.#parts);
  }

  async remove(filter: QueueFilter): Promise<number> {
    this.#refuseUnlessOpen();
    return removeFromQueues(filter, this.#parts);
  }

  async unsettled(ids: readonly string[]): Promise<readonly string[]> {
    this.#refuseUnlessOpen();
    return unsettledIds(ids, this.#parts);
  }

  async subscribers(): Promise<readonly string[]> {
    this.#refuseUnlessOpen();
    return busySubscribers(this.#parts);
  }

  async ping(): Promise<void> {
    this.#refuseUnlessOpen();
    await ask(this.#parts.redis, this.#parts.clock, () => this.#parts.redis.ping());
  }

  async #open(): Promise<void> {
    const { redis, clock, logger, prefix } = this.#parts;
    const connections = [redis, this.#listener];
    try {
      await Promise.all(connections.map((connection) => reach(connection, clock)));
      this.#engineVersion = await ask(redis, clock, () => checkServer(redis, this.#allowVolatile, logger));
      this.#listener.on("message", (_, subscriber) => this.#wake(subscriber));
      // What was announced while nobody listened is found by the watch.
      await ask(this.#listener, clock, () => this.#listener.subscribe(`${prefix}:!wake`));
    } catch (error) {
      for (const connection of connections) connection.disconnect();
      this.#listener.removeAllListeners("message");
      throw error;
    }
    if (this.#state === "closed") throw new EventStoreError("EVT_CLOSED");
    this.#state = "open";
    this.#watch.start();
  }

  async #close(): Promise<void> {
    const wasOpen = this.#state === "open";
    this.#state = "closed";
    await this.#opening?.catch(() => {});
    if (wasOpen) {
      const consumers = [...this.#consumers.values()].flatMap((set) => [...set]);
      await Promise.all(consumers.map((consumer) => consumer.stop()));
      await Promise.all([this.#enqueues.drain(), this.#settles.drain(), this.#watch.stop()]);
    }
    for (const connection of [this.#parts.redis, this.#listener]) connection.disconnect();
  }

  async #write(deliveries: readonly Delivery[]): Promise<readonly EnqueueResult[]> {
    const results = await enqueueJobs(deliveries, this.#parts);
    for (const subscriber of new Set(deliveries.map(({ subscriber }) => subscriber))) this.#wake(subscriber);
    return results;
  }

  async #settleAll(items: readonly SettleItem[]): Promise<readonly SettleResult[]> {
    const returned = heldAmong(items).filter(
      ({ lease, settlement: { kind } }) => kind === "hand_back" || lease.key !== null,
    );
    const results = await settleJobs(items, this.#parts);
    for (const subscriber of new Set(returned.map(({ lease }) => lease.holder.subscriber))) this.#wake(subscriber);
    return results;
  }

  #wake(subscriber: string): void {
    for (const consumer of this.#consumers.get(subscriber) ?? []) consumer.wake();
  }

  /** Without a listener an error event would end the process; each call that fails says so itself. */
  #logErrors(connection: Redis, logger: Logger): void {
    let failing = false;
    connection.on("error", (error) => {
      if (!failing) logger.warn("Redis is away", { error });
      failing = true;
    });
    connection.on("ready", () => {
      failing = false;
    });
  }

  #refuseUnlessOpen(): void {
    if (this.#state !== "open") throw new EventStoreError("EVT_CLOSED");
  }
}

function checkOptions(url: string, prefix: string): void {
  if (!URL.canParse(url) || !["redis:", "rediss:"].includes(new URL(url).protocol))
    refuse("url", "`url` must begin with redis:// or rediss://");
  if (!prefixPattern.test(prefix)) refuse("prefix", "`prefix` may hold letters, digits, _ and -, at most 100");
}

function refuse(option: string, message: string): never {
  throw new EventStoreError("EVT_CONFIG_INVALID", { message, details: { option } });
}
