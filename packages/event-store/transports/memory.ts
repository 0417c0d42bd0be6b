import { type Clock, isVirtualClock, systemClock, type VirtualClock } from "@signalbox/kernel";
import { atRoot } from "../at-root.js";
import { EventStoreError } from "../errors.js";
import { optionRules, readTransportOptions } from "./check-transport-options.js";
import { describe, type Entry, isHeld } from "./memory-entry.js";
import { Queue, type QueueHost } from "./memory-queue.js";
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

class Memory implements MemoryTransport, QueueHost {
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

  async extend(
    leases: readonly Lease[],
    options: { readonly mark?: LeaseMark } = {},
  ): Promise<readonly ExtendResult[]> {
    this.#refuseUnlessOpen();
    return leases.map((lease) => {
      if (!isHeld(lease)) return "lease_lost";
      lease.entry.lease = lease;
      if (options.mark) lease.mark = options.mark;
      this.queue(lease.entry.delivery.subscriber).extend(lease);
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
