import { type Clock, isVirtualClock, systemClock, type Timer, type VirtualClock } from "@signalbox/kernel";
import { atRoot } from "../at-root.js";
import { EventStoreError } from "../errors.js";
import { optionRules, readTransportOptions } from "./check-transport-options.js";
import { DueHeap } from "./due-heap.js";
import { refillTokens, type TokenBucket, takeTokens } from "./token-bucket.js";
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
  Settlement,
  SettleResult,
  Transport,
} from "./transport.js";

export interface MemoryTransportOptions {
  /** A virtual clock makes `advanceBy` available. Default: the system's. */
  readonly clock?: Clock;
  /** Unsettled deliveries beyond which `enqueue` rejects with `EVT_TRANSPORT_FULL`. Default 100,000. */
  readonly maxDeliveries?: number;
  /** How long a delivery id is remembered after it was accepted. Default 120,000. */
  readonly repetitionWindowMs?: number;
}

/** All promises of a transport but durability. Made for tests, and for programs that may forget. */
export interface MemoryTransport extends Transport {
  /**
   * Moves the virtual clock and lets everything that falls due on the way run, in due order. A handler that waits for
   * the clock is waited for as far as the time goes; one that waits for anything else may still be running.
   */
  advanceBy(durationMs: number): Promise<void>;
  /** Resolves when nothing is running and nothing that somebody consumes is ready. */
  runUntilIdle(): Promise<void>;
}

/** Turns of the event loop after which what runs is taken to wait for the clock. */
const turnsWithoutChange = 50;
/** Enqueues that resolve in one turn of the event loop. */
const maxEnqueuesInTurn = 64;
/** Ids of settled deliveries that are remembered at most, whatever the window. */
const maxRememberedIds = 262_144;

interface Entry {
  readonly delivery: Delivery;
  readonly firstDueAtMs: number;
  /** Order of acceptance. */
  readonly sequence: number;
  state: "waiting" | "blocked" | "running" | "gone";
  body: string;
  dueAtMs: number;
  attempts: number;
  crashes: number;
  crashesAlone: number;
  progress: string | null;
  lease: MemoryLease | null;
}

class MemoryLease implements Lease {
  readonly deliveryId: string;
  readonly subscription: string;
  readonly body: string;
  readonly key: string | null;
  readonly attempts: number;
  readonly crashes: number;
  readonly crashesAlone: number;
  readonly progress: string | null;
  readonly dueAtMs: number;
  readonly firstDueAtMs: number;
  readonly outbox: boolean;
  readonly entry: Entry;
  readonly holder: MemoryConsumer;
  deadlineMs: number;
  alone = false;

  constructor(entry: Entry, holder: MemoryConsumer, deadlineMs: number) {
    this.deliveryId = entry.delivery.id;
    this.subscription = entry.delivery.subscription;
    this.body = entry.body;
    this.key = entry.delivery.key;
    this.attempts = entry.attempts;
    this.crashes = entry.crashes;
    this.crashesAlone = entry.crashesAlone;
    this.progress = entry.progress;
    this.dueAtMs = entry.dueAtMs;
    this.firstDueAtMs = entry.firstDueAtMs;
    this.outbox = entry.delivery.outbox === true;
    this.entry = entry;
    this.holder = holder;
    this.deadlineMs = deadlineMs;
  }
}

interface DedupEntry {
  readonly holder: Entry;
  readonly expiresAtMs: number;
  /** A delivery to run once more after the holder. */
  again: Delivery | null;
}

const { clock, integer, repetitionWindowMs } = optionRules;

/** @throws {EventStoreError} `EVT_CONFIG_INVALID`. */
export function createMemoryTransport(options: MemoryTransportOptions = {}): MemoryTransport {
  return new Memory(
    readTransportOptions(options, { clock, maxDeliveries: integer(1, 100_000_000), repetitionWindowMs }),
  );
}

class Memory implements MemoryTransport {
  readonly name = "memory";
  readonly cannot = Object.freeze(["durability"] as const);
  readonly keyIsolation = "exact";
  readonly needsDatabase = false;
  readonly clock: Clock;
  readonly #maxDeliveries: number;
  readonly #repetitionWindowMs: number;
  readonly #queues = new Map<string, Queue>();
  /** Unsettled and recently settled ids with the time they are forgotten, oldest first. */
  readonly #ids = new Map<string, number>();
  readonly #pending = new Map<string, { count: number; bytes: number }>();
  readonly #locks = new Map<string, DedupEntry>();
  #live = 0;
  #sequence = 0;
  #state: "new" | "open" | "closed" = "new";
  #onChange: (() => void)[] = [];
  #enqueuesInTurn = 0;
  #waitingForTurn: (() => void)[] = [];
  #changes = 0;

  constructor(options: MemoryTransportOptions) {
    this.clock = options.clock ?? systemClock;
    this.#maxDeliveries = options.maxDeliveries ?? 100_000;
    this.#repetitionWindowMs = options.repetitionWindowMs ?? 120_000;
  }

  async open(): Promise<void> {
    if (this.#state === "closed") throw new EventStoreError("EVT_CLOSED");
    this.#state = "open";
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    for (const queue of this.#queues.values()) await queue.close();
    this.changed();
  }

  async enqueue(deliveries: readonly Delivery[]): Promise<readonly EnqueueResult[]> {
    this.#refuseUnlessOpen();
    if (this.#live + deliveries.length > this.#maxDeliveries)
      throw new EventStoreError("EVT_TRANSPORT_FULL", { details: { limit: this.#maxDeliveries } });
    const nowMs = this.clock.nowMs();
    this.#forgetOldIds(nowMs);
    const results = deliveries.map((delivery) => this.#accept(delivery, nowMs));
    if (++this.#enqueuesInTurn > maxEnqueuesInTurn) await new Promise<void>((resolve) => this.#waitForTurn(resolve));
    return results;
  }

  consume(spec: ConsumeSpec, onBatch: (leases: readonly Lease[]) => void): Consumer {
    this.#refuseUnlessOpen();
    return this.queue(spec.subscriber).addConsumer(spec, onBatch);
  }

  async settle(items: readonly SettleItem[]): Promise<readonly SettleResult[]> {
    this.#refuseUnlessOpen();
    return items.map(({ lease, settlement }) => this.#settleOne(lease, settlement));
  }

  async extend(leases: readonly Lease[], options: { readonly alone?: boolean } = {}): Promise<readonly ExtendResult[]> {
    this.#refuseUnlessOpen();
    const nowMs = this.clock.nowMs();
    return leases.map((lease) => {
      if (!isHeld(lease)) return "lease_lost";
      lease.entry.lease = lease;
      if (options.alone) lease.alone = true;
      this.queue(lease.entry.delivery.subscriber).extend(lease, nowMs);
      return "extended";
    });
  }

  async depth(subscriber: string): Promise<QueueDepth> {
    this.#refuseUnlessOpen();
    return (
      this.#queues.get(subscriber)?.depth() ?? { ready: 0, scheduled: 0, running: 0, blocked: 0, oldestReadyMs: null }
    );
  }

  async peek(filter: QueueFilter, limit: number): Promise<readonly QueuedDelivery[]> {
    this.#refuseUnlessOpen();
    const nowMs = this.clock.nowMs();
    const found: QueuedDelivery[] = [];
    for (const entry of this.#waiting(filter)) {
      if (found.length >= limit) break;
      found.push(describe(entry, nowMs));
    }
    return found;
  }

  async remove(filter: QueueFilter): Promise<number> {
    this.#refuseUnlessOpen();
    let removed = 0;
    for (const entry of [...this.#waiting(filter)]) {
      this.#release(entry);
      removed++;
    }
    return removed;
  }

  async unsettled(ids: readonly string[]): Promise<readonly string[]> {
    this.#refuseUnlessOpen();
    const asked = new Set(ids);
    const found: string[] = [];
    for (const queue of this.#queues.values())
      for (const { delivery } of queue.entries) if (asked.has(delivery.id)) found.push(delivery.id);
    return found;
  }

  async subscribers(): Promise<readonly string[]> {
    this.#refuseUnlessOpen();
    return [...this.#queues].filter(([, queue]) => queue.entries.size > 0).map(([name]) => name);
  }

  async advanceBy(durationMs: number): Promise<void> {
    const clock = virtual(this.clock);
    const targetMs = clock.nowMs() + durationMs;
    await this.#settleDown();
    for (let dueMs = clock.nextTimerMs(); dueMs !== undefined && dueMs <= targetMs; dueMs = clock.nextTimerMs()) {
      await clock.advanceBy(Math.max(0, dueMs - clock.nowMs()));
      await this.#settleDown();
    }
    await clock.advanceBy(targetMs - clock.nowMs());
    await this.#settleDown();
  }

  async runUntilIdle(): Promise<void> {
    // Publishes and handlers that are already resolved get their say first.
    await nextTurn();
    while (this.#state === "open" && this.#isBusy()) {
      const change = new Promise<void>((resolve) => this.#onChange.push(resolve));
      for (const queue of this.#queues.values()) queue.hurry();
      await change;
      await nextTurn();
    }
  }

  /**
   * Nothing in here waits for anything, so publishers that go on and on would keep every handler from starting, and
   * pile up what they publish.
   */
  #waitForTurn(resolve: () => void): void {
    this.#waitingForTurn.push(resolve);
    if (this.#waitingForTurn.length === 1) atRoot(() => setImmediate(() => this.#beginTurn()));
  }

  #beginTurn(): void {
    const next = this.#waitingForTurn.splice(0, maxEnqueuesInTurn);
    this.#enqueuesInTurn = 0;
    if (this.#waitingForTurn.length > 0) setImmediate(() => this.#beginTurn());
    for (const resolve of next) resolve();
  }

  /** Until idle, or until what runs waits for something else: for time to go on, most likely. */
  async #settleDown(): Promise<void> {
    await nextTurn();
    for (let turns = 0; turns < turnsWithoutChange && this.#state === "open" && this.#isBusy(); turns++) {
      const before = this.#changes;
      for (const queue of this.#queues.values()) queue.hurry();
      await nextTurn();
      if (this.#changes !== before) turns = 0;
    }
  }

  queue(subscriber: string): Queue {
    let queue = this.#queues.get(subscriber);
    if (!queue) {
      queue = new Queue(this);
      this.#queues.set(subscriber, queue);
    }
    return queue;
  }

  /** Something was handed out, settled or stopped. */
  changed(): void {
    this.#changes++;
    const waiting = this.#onChange;
    if (waiting.length === 0) return;
    this.#onChange = [];
    for (const resolve of waiting) resolve();
  }

  started(entry: Entry): void {
    const { dedup } = entry.delivery;
    if (dedup?.until === "executing") this.#unlock(entry);
  }

  #isBusy(): boolean {
    for (const queue of this.#queues.values()) if (queue.isBusy()) return true;
    return false;
  }

  #refuseUnlessOpen(): void {
    if (this.#state !== "open") throw new EventStoreError("EVT_CLOSED");
  }

  #accept(delivery: Delivery, nowMs: number): EnqueueResult {
    if (this.#ids.has(delivery.id)) return "duplicate";
    if (!this.#hasRoom(delivery)) return "full";
    const entry: Entry = {
      delivery,
      firstDueAtMs: delivery.dueAtMs || nowMs,
      sequence: this.#sequence++,
      state: "waiting",
      body: delivery.body,
      dueAtMs: delivery.dueAtMs || nowMs,
      attempts: 0,
      crashes: 0,
      crashesAlone: 0,
      progress: null,
      lease: null,
    };
    if (delivery.dedup && !this.#lock(entry, nowMs)) return "deduplicated";
    this.#ids.set(delivery.id, nowMs + this.#repetitionWindowMs);
    this.#live++;
    this.#count(delivery, 1);
    this.queue(delivery.subscriber).add(entry, nowMs);
    return "enqueued";
  }

  #lock(entry: Entry, nowMs: number): boolean {
    const { dedup } = entry.delivery;
    if (!dedup) return true;
    const held = this.#locks.get(dedup.lock);
    if (held && held.expiresAtMs > nowMs) {
      // While the holder has not started, its run covers the duplicate.
      if (dedup.until === "executed" && dedup.ifDuplicate === "reschedule_once") held.again ??= entry.delivery;
      return false;
    }
    this.#locks.set(dedup.lock, { holder: entry, expiresAtMs: nowMs + dedup.ttlMs, again: null });
    return true;
  }

  #unlock(entry: Entry): void {
    const name = entry.delivery.dedup?.lock;
    const held = name === undefined ? undefined : this.#locks.get(name);
    if (name === undefined || held?.holder !== entry) return;
    this.#locks.delete(name);
    if (held.again) this.#accept(held.again, this.clock.nowMs());
  }

  #hasRoom({ subscription, maxPending, body }: Delivery): boolean {
    if (!maxPending) return true;
    const pending = this.#pending.get(subscription) ?? { count: 0, bytes: 0 };
    if (maxPending.count !== undefined && pending.count >= maxPending.count) return false;
    return maxPending.bytes === undefined || pending.bytes + Buffer.byteLength(body) <= maxPending.bytes;
  }

  #count({ subscription, maxPending, body }: Delivery, sign: 1 | -1): void {
    if (!maxPending) return;
    const pending = this.#pending.get(subscription) ?? { count: 0, bytes: 0 };
    pending.count += sign;
    pending.bytes += sign * Buffer.byteLength(body);
    this.#pending.set(subscription, pending);
  }

  #settleOne(lease: Lease, settlement: Settlement): SettleResult {
    if (!isHeld(lease)) return "lease_lost";
    const { entry } = lease;
    const queue = this.queue(entry.delivery.subscriber);
    queue.endLease(lease);
    switch (settlement.kind) {
      case "done":
      case "dead":
        this.#release(entry);
        break;
      case "retry":
        entry.attempts = settlement.attempts;
        entry.progress = settlement.progress;
        entry.body = settlement.body ?? entry.body;
        queue.putBack(entry, settlement.dueAtMs);
        break;
      case "hand_back":
        queue.putBack(entry, entry.dueAtMs);
    }
    this.changed();
    return "settled";
  }

  #release(entry: Entry): void {
    this.queue(entry.delivery.subscriber).delete(entry);
    this.#live--;
    this.#count(entry.delivery, -1);
    this.#unlock(entry);
  }

  *#waiting(filter: QueueFilter): Generator<Entry> {
    for (const [subscriber, queue] of this.#queues) {
      if (filter.subscriber !== undefined && filter.subscriber !== subscriber) continue;
      for (const entry of queue.entries) {
        if (entry.state === "running") continue;
        if (filter.eventType !== undefined && filter.eventType !== entry.delivery.eventType) continue;
        yield entry;
      }
    }
  }

  #forgetOldIds(nowMs: number): void {
    for (const [id, forgetAtMs] of this.#ids) {
      if (forgetAtMs > nowMs && this.#ids.size <= maxRememberedIds) break;
      this.#ids.delete(id);
    }
  }
}

/** Everything of one subscriber. */
class Queue {
  readonly entries = new Set<Entry>();
  readonly #transport: Memory;
  readonly #consumers: MemoryConsumer[] = [];
  readonly #ready: Entry[] = [];
  #readyHead = 0;
  readonly #scheduled = new DueHeap<Entry>();
  #dueTimer: { readonly dueAtMs: number; readonly timer: Timer } | null = null;
  /** In order of deadline, because every lease of the queue lasts equally long. */
  readonly #leases = new Set<MemoryLease>();
  #leaseTimer: Timer | null = null;
  /** Unsettled entries of each key in order of acceptance. */
  readonly #keys = new Map<string, Entry[]>();
  #perKey = 1;
  #maxTotal = Number.POSITIVE_INFINITY;
  #bucket: TokenBucket | null = null;
  #bucketTimer: Timer | null = null;
  #pumpRequested = false;
  #nextConsumer = 0;

  constructor(transport: Memory) {
    this.#transport = transport;
  }

  addConsumer(spec: ConsumeSpec, onBatch: (leases: readonly Lease[]) => void): Consumer {
    const consumer = new MemoryConsumer(spec, onBatch, this);
    this.#consumers.push(consumer);
    this.#maxTotal = spec.maxTotal ?? Number.POSITIVE_INFINITY;
    this.#bucket ??= spec.rateLimit && { ...spec.rateLimit, tokens: spec.rateLimit.max, atMs: this.#nowMs() };
    if (spec.perKey !== this.#perKey) {
      this.#perKey = spec.perKey;
      for (const key of this.#keys.keys()) this.#unblock(key);
    }
    this.requestPump();
    return consumer;
  }

  removeConsumer(consumer: MemoryConsumer): void {
    const index = this.#consumers.indexOf(consumer);
    if (index !== -1) this.#consumers.splice(index, 1);
    this.#transport.changed();
  }

  async close(): Promise<void> {
    for (const consumer of [...this.#consumers]) await consumer.stop();
    this.#dueTimer?.timer.cancel();
    this.#leaseTimer?.cancel();
    this.#bucketTimer?.cancel();
  }

  add(entry: Entry, nowMs: number): void {
    this.entries.add(entry);
    const { key } = entry.delivery;
    if (key !== null) {
      const line = this.#keys.get(key);
      if (line) line.push(entry);
      else this.#keys.set(key, [entry]);
      if (line && line.length > this.#perKey) {
        entry.state = "blocked";
        return;
      }
    }
    this.#offer(entry, nowMs);
  }

  putBack(entry: Entry, dueAtMs: number): void {
    entry.dueAtMs = dueAtMs;
    entry.state = "waiting";
    this.#offer(entry, this.#nowMs());
  }

  /** Takes the entry out for good and lets the next one of its key go. */
  delete(entry: Entry): void {
    entry.state = "gone";
    this.entries.delete(entry);
    const { key } = entry.delivery;
    if (key === null) return;
    const line = this.#keys.get(key);
    line?.splice(line.indexOf(entry), 1);
    if (line?.length === 0) this.#keys.delete(key);
    else this.#unblock(key);
  }

  extend(lease: MemoryLease, nowMs: number): void {
    lease.deadlineMs = nowMs + lease.holder.spec.leaseMs;
    this.#leases.delete(lease);
    this.#leases.add(lease);
  }

  endLease(lease: MemoryLease): void {
    this.#leases.delete(lease);
    lease.entry.lease = null;
    lease.holder.inFlight--;
    this.requestPump();
  }

  hurry(): void {
    for (const consumer of this.#consumers) consumer.spec.hurry();
  }

  isBusy(): boolean {
    if (this.#leases.size > 0) return true;
    if (this.#consumers.length === 0) return false;
    this.#takeDue();
    return this.#hasReady() && this.#allowance() > 0 && this.#consumers.some((consumer) => consumer.room() > 0);
  }

  depth(): QueueDepth {
    const nowMs = this.#nowMs();
    const depth = { ready: 0, scheduled: 0, running: 0, blocked: 0 };
    let oldestReadyMs: number | null = null;
    for (const entry of this.entries) {
      const state = waitingState(entry, nowMs);
      depth[state]++;
      if (state === "ready") oldestReadyMs = Math.min(oldestReadyMs ?? entry.dueAtMs, entry.dueAtMs);
    }
    return { ...depth, oldestReadyMs };
  }

  /** Hands out soon, once for all that happens until then. */
  requestPump(): void {
    if (this.#pumpRequested || this.#consumers.length === 0) return;
    this.#pumpRequested = true;
    atRoot(() =>
      setImmediate(() => {
        this.#pumpRequested = false;
        this.#pump();
      }),
    );
  }

  #pump(): void {
    this.#takeDue();
    for (let round = 0; round < this.#consumers.length && this.#hasReady(); round++) {
      const consumer = this.#consumers[this.#nextConsumer++ % this.#consumers.length];
      const room = consumer?.room() ?? 0;
      if (consumer && room > 0) this.#handOut(consumer, room);
    }
  }

  #handOut(consumer: MemoryConsumer, room: number): void {
    const most = Math.min(room, this.#allowance());
    const deadlineMs = this.#nowMs() + consumer.spec.leaseMs;
    const batch: MemoryLease[] = [];
    while (batch.length < most) {
      const entry = this.#ready[this.#readyHead];
      if (!entry) break;
      this.#readyHead++;
      if (entry.state !== "waiting") continue;
      entry.state = "running";
      const lease = new MemoryLease(entry, consumer, deadlineMs);
      entry.lease = lease;
      this.#leases.add(lease);
      batch.push(lease);
      if (entry.delivery.dedup) this.#transport.started(entry);
    }
    if (this.#readyHead * 2 > this.#ready.length) {
      this.#ready.splice(0, this.#readyHead);
      this.#readyHead = 0;
    }
    if (batch.length === 0) return;
    if (this.#bucket) takeTokens(this.#bucket, batch.length);
    consumer.inFlight += batch.length;
    this.#watchLeases();
    consumer.onBatch(batch);
    this.#transport.changed();
  }

  /** How many more deliveries the limits over all consumers allow now. */
  #allowance(): number {
    const places = this.#maxTotal - this.#leases.size;
    if (!this.#bucket) return places;
    const nowMs = this.#nowMs();
    const tokens = refillTokens(this.#bucket, nowMs);
    if (tokens < 1 && !this.#bucketTimer) {
      // Rounded up, or a fraction of a token could stay missing for ever.
      const waitMs = Math.ceil(((1 - tokens) * this.#bucket.perMs) / this.#bucket.max);
      if (this.#hasReady()) for (const { spec } of this.#consumers) spec.limited();
      this.#bucketTimer = this.#transport.clock.setTimer(waitMs, () => {
        this.#bucketTimer = null;
        this.requestPump();
      });
    }
    return Math.min(places, Math.floor(tokens));
  }

  #offer(entry: Entry, nowMs: number): void {
    if (entry.dueAtMs <= nowMs) {
      this.#ready.push(entry);
      this.requestPump();
      return;
    }
    this.#scheduled.push(entry.dueAtMs, entry);
    this.#watchScheduled();
  }

  #takeDue(): void {
    const nowMs = this.#nowMs();
    for (let due = this.#scheduled.takeDue(nowMs); due; due = this.#scheduled.takeDue(nowMs)) {
      // A handed back or removed entry may have left its old place behind.
      if (due.state === "waiting" && due.dueAtMs <= nowMs) this.#ready.push(due);
    }
    this.#watchScheduled();
  }

  #watchScheduled(): void {
    const dueAtMs = this.#scheduled.nextDueMs();
    if (dueAtMs === undefined || (this.#dueTimer && this.#dueTimer.dueAtMs <= dueAtMs)) return;
    this.#dueTimer?.timer.cancel();
    const timer = this.#transport.clock.setTimer(dueAtMs - this.#nowMs(), () => {
      this.#dueTimer = null;
      this.#takeDue();
      this.requestPump();
    });
    this.#dueTimer = { dueAtMs, timer };
  }

  #watchLeases(): void {
    if (this.#leaseTimer) return;
    const [first] = this.#leases;
    if (!first) return;
    this.#leaseTimer = this.#transport.clock.setTimer(Math.max(1, first.deadlineMs - this.#nowMs()), () => {
      this.#leaseTimer = null;
      this.#expireLeases();
      this.#watchLeases();
    });
  }

  #expireLeases(): void {
    const nowMs = this.#nowMs();
    for (const lease of this.#leases) {
      if (lease.deadlineMs > nowMs) break;
      const { entry } = lease;
      if (lease.alone) entry.crashesAlone++;
      else entry.crashes++;
      this.endLease(lease);
      this.putBack(entry, entry.dueAtMs);
    }
  }

  #unblock(key: string): void {
    const nowMs = this.#nowMs();
    for (const entry of this.#keys.get(key)?.slice(0, this.#perKey) ?? []) {
      if (entry.state !== "blocked") continue;
      entry.state = "waiting";
      this.#offer(entry, nowMs);
    }
  }

  #hasReady(): boolean {
    while (this.#readyHead < this.#ready.length && this.#ready[this.#readyHead]?.state !== "waiting") this.#readyHead++;
    return this.#readyHead < this.#ready.length;
  }

  #nowMs(): number {
    return this.#transport.clock.nowMs();
  }
}

class MemoryConsumer implements Consumer {
  readonly spec: ConsumeSpec;
  readonly onBatch: (leases: readonly Lease[]) => void;
  inFlight = 0;
  readonly #queue: Queue;
  #stopped = false;

  constructor(spec: ConsumeSpec, onBatch: (leases: readonly Lease[]) => void, queue: Queue) {
    this.spec = spec;
    this.onBatch = onBatch;
    this.#queue = queue;
  }

  room(): number {
    if (this.#stopped) return 0;
    return Math.min(this.spec.capacity(), this.spec.maxInFlight - this.inFlight);
  }

  wake(): void {
    this.#queue.requestPump();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.removeConsumer(this);
  }
}

function isHeld(lease: Lease): lease is MemoryLease {
  return lease instanceof MemoryLease && lease.entry.lease === lease;
}

function waitingState(entry: Entry, nowMs: number): "ready" | "scheduled" | "running" | "blocked" {
  if (entry.state === "running" || entry.state === "blocked") return entry.state;
  return entry.dueAtMs <= nowMs ? "ready" : "scheduled";
}

function describe(entry: Entry, nowMs: number): QueuedDelivery {
  const { id, subscriber, subscription, eventType, key } = entry.delivery;
  const state = waitingState(entry, nowMs);
  return {
    id,
    subscriber,
    subscription,
    eventType,
    key,
    state: state === "running" ? "ready" : state,
    dueAtMs: entry.dueAtMs,
    attempts: entry.attempts,
    body: entry.body,
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function virtual(clock: Clock): VirtualClock {
  if (isVirtualClock(clock)) return clock;
  throw new EventStoreError("EVT_CONFIG_INVALID", {
    message: "`advanceBy` needs a memory transport with a virtual clock",
    details: { option: "clock" },
  });
}
