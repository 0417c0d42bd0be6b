import { type Clock, isVirtualClock, type Timer } from "@signalbox/kernel";
import { atRoot } from "../at-root.js";
import { DueHeap } from "./due-heap.js";
import { type Entry, type LeaseHolder, MemoryLease, waitingState } from "./memory-entry.js";
import { JumpDetector } from "./sql/clock-jump.js";
import { refillTokens, type TokenBucket, takeTokens } from "./token-bucket.js";
import type { Consumer, ConsumeSpec, Lease, QueueDepth } from "./transport.js";

/** How often a queue that waits for a time looks whether the clock was set. */
const clockLookMs = 1_000;

/** What queues share. */
export interface QueueHost {
  readonly clock: Clock;
  /** Something was handed out, settled or stopped. */
  changed(): void;
  started(entry: Entry): void;
}

/** Everything of one subscriber. */
export class Queue {
  readonly entries = new Set<Entry>();
  readonly #host: QueueHost;
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
  readonly #jumps: JumpDetector;
  readonly #lookMs: number;

  constructor(host: QueueHost) {
    this.#host = host;
    this.#jumps = new JumpDetector(host.clock);
    // Nobody sets a virtual clock.
    this.#lookMs = isVirtualClock(host.clock) ? Number.POSITIVE_INFINITY : clockLookMs;
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
    this.#host.changed();
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

  extend(lease: MemoryLease): void {
    lease.deadlineMs = this.#host.clock.monotonicMs() + lease.holder.spec.leaseMs;
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
    const deadlineMs = this.#host.clock.monotonicMs() + consumer.spec.leaseMs;
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
      if (entry.delivery.dedup) this.#host.started(entry);
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
    this.#host.changed();
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
      this.#bucketTimer = this.#host.clock.setTimer(waitMs, () => {
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
    this.#followClock();
    const nowMs = this.#nowMs();
    for (let due = this.#scheduled.takeDue(nowMs); due; due = this.#scheduled.takeDue(nowMs)) {
      // A handed back or removed entry may have left its old place behind.
      if (due.state === "waiting" && due.dueAtMs <= nowMs) this.#ready.push(due);
    }
    this.#watchScheduled();
  }

  /** After the clock was set back what was due stays due, and a retry keeps its delay. A planned time stays what it is. */
  #followClock(): void {
    const jump = this.#jumps.look();
    if (!jump || jump.byMs > 0) return;
    const scheduled: Entry[] = [];
    const any = Number.POSITIVE_INFINITY;
    for (let next = this.#scheduled.takeDue(any); next; next = this.#scheduled.takeDue(any)) scheduled.push(next);
    for (const entry of this.entries) {
      if (entry.dueAtMs <= jump.nowMs) continue;
      if (entry.dueAtMs <= jump.expectedMs) entry.dueAtMs = jump.nowMs;
      else if (entry.attempts > 0) entry.dueAtMs += jump.byMs;
    }
    for (const entry of scheduled) this.#scheduled.push(entry.dueAtMs, entry);
  }

  #watchScheduled(): void {
    const dueAtMs = this.#scheduled.nextDueMs();
    if (dueAtMs === undefined || (this.#dueTimer && this.#dueTimer.dueAtMs <= dueAtMs)) return;
    this.#dueTimer?.timer.cancel();
    const delayMs = Math.min(dueAtMs - this.#nowMs(), this.#lookMs);
    const timer = this.#host.clock.setTimer(delayMs, () => {
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
    this.#leaseTimer = this.#host.clock.setTimer(Math.max(1, first.deadlineMs - this.#host.clock.monotonicMs()), () => {
      this.#leaseTimer = null;
      this.#expireLeases();
      this.#watchLeases();
    });
  }

  #expireLeases(): void {
    const nowMs = this.#host.clock.monotonicMs();
    for (const lease of this.#leases) {
      if (lease.deadlineMs > nowMs) break;
      const { entry } = lease;
      if (lease.mark === "alone") entry.crashesAlone++;
      else if (lease.mark === "begun" || entry.crashes === 0) entry.crashes++;
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
    return this.#host.clock.nowMs();
  }
}

class MemoryConsumer implements Consumer, LeaseHolder {
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
