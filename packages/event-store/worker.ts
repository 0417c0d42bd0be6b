import type { Blobs } from "@signalbox/blobs";
import { type Clock, inContext, type Logger, retry, type Timer } from "@signalbox/kernel";
import { Call, CallContext, type CallHost, contextOf } from "./call.js";
import type { DispatchLog } from "./dispatch-log.js";
import { type DeliveryEnd, endDelivery, type HandledItem, type ItemResult, letterOf } from "./end-delivery.js";
import type { Codec } from "./envelope.js";
import { EventStoreError, InvalidSubscriber } from "./errors.js";
import type { EventInstance } from "./event.js";
import type { EventLines } from "./event-lines.js";
import { type Item, isGroupBody, readItems } from "./handled-items.js";
import { HandlingLog } from "./handling-log.js";
import { LeaseKeeper } from "./lease-keeper.js";
import type { Limits } from "./limits.js";
import type { StoreMetrics } from "./metrics.js";
import type { Records } from "./records/records.js";
import type { FrozenRegistry, RegisteredSubscriber } from "./registry.js";
import type { SlotPool, SlotUser } from "./slots.js";
import type { Consumer, Lease, SettleItem, Transport } from "./transports/transport.js";

export interface WorkerDependencies {
  readonly registry: FrozenRegistry;
  readonly transport: Transport;
  readonly codec: Codec;
  readonly records: Records;
  readonly blobs: Blobs | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StoreMetrics;
  readonly lines: EventLines;
  readonly dispatchLog: DispatchLog | undefined;
  readonly limits: Limits;
  readonly slots: SlotPool;
  readonly random: () => number;
  readonly once: CallHost["once"];
  /** Pauses a subscriber in every process. */
  readonly pause: (subscriber: string) => Promise<void>;
}

/** How long an aborted handler may take to end before it counts as failed. */
const graceMs = 5_000;
/** A delivery whose lease ran out this often may be the reason: from then on it runs alone. */
const suspectAfterCrashes = 2;
/** Deliveries are fetched ahead for about this much work. */
const prefetchMs = 50;
const maxPrefetch = 256;

/**
 * Handles the deliveries of one subscriber in this process: takes leases, forms calls, and settles what they did.
 */
export class Worker implements SlotUser, CallHost {
  readonly subscriberName: string;
  readonly urgency: SlotUser["urgency"];
  readonly log: Logger;
  readonly meta: Readonly<Record<string, string>>;
  readonly once: CallHost["once"];
  readonly #registered: RegisteredSubscriber;
  readonly #deps: WorkerDependencies;
  readonly #handlingLog: HandlingLog;
  readonly #leases: LeaseKeeper;
  readonly #stopped = new AbortController();
  #consumer: Consumer | undefined;
  /** Leases that wait for a slot, oldest first. */
  #waiting: Lease[] = [];
  #waitingBytes = 0;
  /** In order of start. */
  readonly #calls = new Set<Call>();
  readonly #callOf = new Map<Lease, Call>();
  /** Everything that has begun and not ended, from the first look at a lease to its settlement. */
  readonly #work = new Set<Promise<void>>();
  #timeoutTimer: Timer | undefined;
  #lingerTimer: Timer | undefined;
  /** The waiting deliveries do not wait for company any longer. */
  #ripe = false;
  #paused = false;
  /** Moving average of the duration of a call. */
  #callMs: number | undefined;

  constructor(registered: RegisteredSubscriber, deps: WorkerDependencies) {
    this.subscriberName = registered.subscriber.name;
    this.urgency = registered.work.urgency;
    this.log = deps.logger.child(registered.subscriber.name);
    this.meta = Object.freeze({
      caller_id: registered.subscriber.name,
      feature_category: registered.subscriber.context,
    });
    this.once = deps.once;
    this.#registered = registered;
    this.#deps = deps;
    this.#handlingLog = new HandlingLog(deps);
    this.#leases = new LeaseKeeper({
      transport: deps.transport,
      clock: deps.clock,
      leaseMs: deps.limits.leaseMs,
      onLost: (lease) => this.#lose(lease),
      onError: (error) => deps.logger.warn("leases could not be extended", { error }),
    });
  }

  /** Begins to take deliveries. */
  consume(): void {
    const { transport, limits } = this.#deps;
    const { concurrency, rateLimit, batch } = this.#registered.work;
    const { perProcess } = concurrency;
    this.#consumer = transport.consume(
      {
        subscriber: this.subscriberName,
        maxInFlight: batch ? batch.maxSize * (perProcess + 1) : perProcess + maxPrefetch,
        leaseMs: limits.leaseMs,
        maxTotal: concurrency.total,
        perKey: concurrency.perKey,
        rateLimit,
        capacity: () => this.#capacity(),
        hurry: () => this.#ripen(),
      },
      (leases) => this.#take(leases),
    );
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (paused) this.#handBackWaiting();
    else this.#consumer?.wake();
  }

  canStart(): boolean {
    const { batch, concurrency } = this.#registered.work;
    if (this.#stopped.signal.aborted || this.#waiting.length === 0) return false;
    return this.#calls.size < concurrency.perProcess && (batch === null || this.#isRipe());
  }

  start(release: () => void): void {
    const leases = this.#registered.work.batch ? this.#takeBatch() : this.#waiting.splice(0, 1);
    this.#begin(leases, release);
    // What is left waits for company of its own.
    this.#ripe = false;
    if (this.#waiting.length > 0) this.#linger();
    if (this.#registered.work.batch) this.#consumer?.wake();
  }

  ignored(subscription: string): void {
    this.#deps.metrics.ignored.add(1, { subscription });
  }

  /** Takes nothing new and hands back what has not been started. */
  async stopIntake(): Promise<void> {
    this.#stopped.abort(new EventStoreError("EVT_CLOSED"));
    this.#lingerTimer?.cancel();
    await this.#consumer?.stop();
    this.#handBackWaiting();
  }

  /** Resolves when no call runs and everything is settled. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  abortCalls(reason: unknown): void {
    for (const call of this.#calls) call.abort(reason);
  }

  /** Gives up waiting for the calls that still run; their deliveries are available to others at once. */
  handBackCalls(): void {
    for (const call of this.#calls) {
      const leases = call.leases.filter((lease) => !call.ended.has(lease));
      for (const lease of leases) call.ended.set(lease, "handed_back");
      this.#handBack(leases);
      call.giveUp(new EventStoreError("EVT_CLOSED"));
    }
  }

  // Intake

  #capacity(): number {
    if (this.#paused || this.#stopped.signal.aborted) return 0;
    const { batch, concurrency } = this.#registered.work;
    if (batch) return batch.maxSize * (Math.min(this.#calls.size, concurrency.perProcess) + 1) - this.#leases.size;
    const ahead = this.#callMs === undefined ? 1 : prefetchMs / Math.max(this.#callMs, 0.01);
    const prefetch = Math.min(maxPrefetch, Math.floor(concurrency.perProcess * ahead));
    return concurrency.perProcess + prefetch - this.#leases.size;
  }

  #take(leases: readonly Lease[]): void {
    this.#leases.hold(leases);
    if (this.#stopped.signal.aborted || this.#paused) {
      this.#handBack(leases);
      return;
    }
    for (const lease of leases) {
      if (lease.crashesAlone >= this.#deps.limits.maxCrashes) this.#buryCrashed(lease);
      else if (lease.crashes >= suspectAfterCrashes) this.#offerAlone(lease);
      else {
        this.#waiting.push(lease);
        this.#waitingBytes += lease.body.length;
      }
    }
    this.#linger();
    this.#deps.slots.offer(this);
  }

  /** Lets the waiting deliveries wait for more, unless there are enough. */
  #linger(): void {
    const { batch } = this.#registered.work;
    if (!batch || this.#waiting.length === 0 || this.#lingerTimer || this.#isRipe()) return;
    this.#lingerTimer = this.#deps.clock.setTimer(batch.maxWaitMs, () => {
      this.#lingerTimer = undefined;
      this.#ripen();
    });
  }

  #ripen(): void {
    if (this.#waiting.length === 0) return;
    this.#ripe = true;
    this.#deps.slots.offer(this);
  }

  #isRipe(): boolean {
    const { batch } = this.#registered.work;
    const [first] = this.#waiting;
    if (!batch || !first) return false;
    return (
      this.#ripe ||
      batch.maxWaitMs === 0 ||
      this.#waiting.length >= batch.maxSize ||
      (batch.maxBytes !== null && this.#waitingBytes >= batch.maxBytes) ||
      isGroupBody(first.body)
    );
  }

  /** A group stands alone; single deliveries up to the limits of size and bytes. */
  #takeBatch(): Lease[] {
    const { batch } = this.#registered.work;
    const [first] = this.#waiting;
    if (!batch || !first) return [];
    let count = 1;
    let bytes = first.body.length;
    while (!isGroupBody(first.body) && count < Math.min(batch.maxSize, this.#waiting.length)) {
      const next = this.#waiting[count];
      if (!next || isGroupBody(next.body)) break;
      if (batch.maxBytes !== null && bytes + next.body.length > batch.maxBytes) break;
      bytes += next.body.length;
      count++;
    }
    this.#waitingBytes -= bytes;
    this.#lingerTimer?.cancel();
    this.#lingerTimer = undefined;
    return this.#waiting.splice(0, count);
  }

  // Calls

  #begin(leases: readonly Lease[], release: () => void): void {
    const { clock } = this.#deps;
    const call = new Call(leases, clock.nowMs(), clock.monotonicMs());
    this.#calls.add(call);
    for (const lease of leases) this.#callOf.set(lease, call);
    this.#watchTimeouts();
    this.#track(this.#run(call, release));
  }

  async #run(call: Call, release: () => void): Promise<void> {
    let handled: readonly HandledItem[];
    try {
      handled = await this.#perform(call);
    } finally {
      this.#calls.delete(call);
      for (const lease of call.leases) this.#callOf.delete(lease);
      this.#noteDuration(this.#deps.clock.monotonicMs() - call.startedMonotonicMs);
      release();
    }
    await this.#conclude(call, handled);
  }

  async #perform(call: Call): Promise<readonly HandledItem[]> {
    const items: Item[] = [];
    for (const lease of call.leases) {
      const read = readItems(lease, this.#deps);
      items.push(...(Array.isArray(read) ? read : await read));
      this.#handlingLog.started(lease, items.at(-1)?.subscription ?? null, call.startedAtMs);
    }
    const { handleBatch } = this.#registered.subscriber.options;
    return handleBatch ? this.#handleTogether(call, items) : this.#handleInTurn(call, items);
  }

  /** One event after the other. A failure keeps only later items of the same key waiting. */
  async #handleInTurn(call: Call, items: readonly Item[]): Promise<readonly HandledItem[]> {
    const handled: HandledItem[] = [];
    let keyFailed = false;
    for (const item of items) {
      const result: ItemResult = keyFailed ? { kind: "waiting" } : await this.#handleItem(call, item);
      keyFailed ||= result.kind === "failed" && item.lease.key !== null;
      handled.push({ item, result });
    }
    return handled;
  }

  async #handleItem(call: Call, item: Item): Promise<ItemResult> {
    const startedAtMs = this.#deps.clock.nowMs();
    if (!("event" in item.read)) return unreadable(item.read.error, startedAtMs);
    const { event } = item.read;
    // The registry has checked that the subscriber accepts events of this definition.
    const typed = event as EventInstance<never>;
    const context = new CallContext(call, this, [event], item.lease.deliveryId, item.progress.failures + 1);
    this.#handlingLog.itemStarted(item, startedAtMs);
    const startedMs = this.#deps.clock.monotonicMs();
    const { handle } = this.#registered.subscriber.options;
    try {
      await call.race(() => inContext(contextOf(event, this.meta), async () => handle?.(typed, context)));
      this.#handlingLog.handlerEnded(item.lease.subscription, "ok", this.#deps.clock.monotonicMs() - startedMs);
      return { kind: "done" };
    } catch (error) {
      const durationMs = this.#deps.clock.monotonicMs() - startedMs;
      this.#handlingLog.handlerEnded(item.lease.subscription, call.timedOut ? "timeout" : "error", durationMs);
      return { kind: "failed", stage: "handle", error, startedAtMs, durationMs };
    }
  }

  async #handleTogether(call: Call, items: readonly Item[]): Promise<readonly HandledItem[]> {
    const startedAtMs = this.#deps.clock.nowMs();
    const startedMs = this.#deps.clock.monotonicMs();
    const events: EventInstance<unknown>[] = [];
    for (const item of items) {
      if (!("event" in item.read)) continue;
      events.push(item.read.event);
      this.#handlingLog.itemStarted(item, startedAtMs);
    }
    const [first] = events;
    const failures = first ? await this.#callBatch(call, items, first, events) : new Map<number, unknown>();
    const durationMs = this.#deps.clock.monotonicMs() - startedMs;
    let index = 0;
    return items.map((item) => {
      if (!("event" in item.read)) return { item, result: unreadable(item.read.error, startedAtMs) };
      const position = index++;
      if (!failures.has(position)) return { item, result: succeeded };
      const error = failures.get(position);
      return { item, result: { kind: "failed", stage: "handle", error, startedAtMs, durationMs } };
    });
  }

  /** Errors by position in `events`. */
  async #callBatch(
    call: Call,
    items: readonly Item[],
    first: EventInstance<unknown>,
    events: readonly EventInstance<unknown>[],
  ): Promise<ReadonlyMap<number, unknown>> {
    const attempt = items.reduce((most, item) => Math.max(most, item.progress.failures + 1), 1);
    const context = new CallContext(call, this, events, call.leases[0]?.deliveryId ?? "", attempt);
    const subscription = call.leases[0]?.subscription ?? "";
    const { handleBatch } = this.#registered.subscriber.options;
    const startedMs = this.#deps.clock.monotonicMs();
    const end = (result: "ok" | "error" | "timeout"): void =>
      this.#handlingLog.handlerEnded(subscription, result, this.#deps.clock.monotonicMs() - startedMs);
    try {
      const typed = events as readonly EventInstance<never>[];
      const result: unknown = await call.race(() =>
        inContext(contextOf(first, this.meta), async () => handleBatch?.(typed, context)),
      );
      const failures = readBatchResult(result, events.length);
      end("ok");
      return failures;
    } catch (error) {
      end(call.timedOut ? "timeout" : "error");
      return new Map(events.map((_, index) => [index, error]));
    }
  }

  #noteDuration(durationMs: number): void {
    this.#callMs = this.#callMs === undefined ? durationMs : this.#callMs * 0.9 + durationMs * 0.1;
  }

  // Settlement

  async #conclude(call: Call, handled: readonly HandledItem[]): Promise<void> {
    const { clock, random } = this.#deps;
    const nowMs = clock.nowMs();
    const durationMs = clock.monotonicMs() - call.startedMonotonicMs;
    const ends: DeliveryEnd[] = [];
    let from = 0;
    for (const lease of call.leases) {
      let to = from;
      while (to < handled.length && handled[to]?.item.lease === lease) to++;
      const own = handled.slice(from, to);
      from = to;
      const lost = call.ended.get(lease);
      if (lost === "lease_lost") this.#handlingLog.ended(lease, lost);
      if (!lost) {
        const end = endDelivery(lease, own, this.#registered.work, nowMs, random);
        ends.push(end);
        const handling = { startedAtMs: call.startedAtMs, durationMs, settlement: end.kind };
        for (const [index, item] of own.entries()) this.#handlingLog.itemEnded(item, end.verdicts[index], handling);
      }
    }
    await this.#settle(ends);
  }

  /** Write, then settle: a crash in between repeats the write, which changes nothing. */
  async #settle(ends: readonly DeliveryEnd[]): Promise<void> {
    const { records, metrics, transport } = this.#deps;
    if (ends.length === 0) return;
    const letters = ends.flatMap((end) => end.letters);
    if (letters.length > 0) {
      await this.#insist(() => records.deadLetters.write(letters));
      for (const { subscription, reason } of letters) metrics.deadLetters.add(1, { subscription, reason });
    }
    const replayed = ends.filter(({ kind }) => kind === "done" || kind === "discarded").flatMap(replayedLetter);
    if (replayed.length > 0) await this.#insist(() => records.deadLetters.resolve(replayed));
    if (ends.some((end) => end.pause)) await this.#deps.pause(this.subscriberName);

    const items: SettleItem[] = ends.map(({ lease, settlement }) => ({ lease, settlement }));
    const results = await this.#insist(() => transport.settle(items));
    ends.forEach(({ lease, kind }, index) => {
      this.#leases.drop(lease);
      this.#handlingLog.ended(lease, results?.[index] === "settled" ? kind : "lease_lost");
    });
    this.#consumer?.wake();
  }

  /**
   * Repeats what an engine that is away refuses. The leases are kept meanwhile; when they are lost or the worker stops,
   * the deliveries are somebody else's and `undefined` comes back.
   */
  async #insist<T>(work: () => Promise<T>): Promise<T | undefined> {
    const { clock, logger, limits } = this.#deps;
    try {
      return await retry(work, { clock, baseMs: 100, maxMs: 1_000, maxAttempts: Math.ceil(limits.leaseMs / 500) + 3 });
    } catch (error) {
      logger.error("a delivery could not be settled; it will be handled again", { error });
      return undefined;
    }
  }

  #handBackWaiting(): void {
    const leases = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#handBack(leases);
  }

  #handBack(leases: readonly Lease[]): void {
    if (leases.length === 0) return;
    this.#track(this.#settleHandedBack(leases));
  }

  async #settleHandedBack(leases: readonly Lease[]): Promise<void> {
    const items = leases.map((lease): SettleItem => ({ lease, settlement: { kind: "hand_back" } }));
    await this.#insist(() => this.#deps.transport.settle(items));
    for (const lease of leases) {
      this.#leases.drop(lease);
      this.#handlingLog.ended(lease, "handed_back");
    }
  }

  #lose(lease: Lease): void {
    const call = this.#callOf.get(lease);
    if (!call) {
      this.#waiting = this.#waiting.filter((other) => other !== lease);
      this.#waitingBytes = this.#waiting.reduce((sum, { body }) => sum + body.length, 0);
      this.#handlingLog.ended(lease, "lease_lost");
      return;
    }
    call.ended.set(lease, "lease_lost");
    if (call.leases.every((other) => call.ended.has(other)))
      call.abort(new EventStoreError("EVT_HANDLER_TIMEOUT", { message: "The lease of the delivery was lost" }));
  }

  // Crashes

  /** A delivery that may kill its process gets the process for itself, so that no other one is blamed. */
  #offerAlone(lease: Lease): void {
    this.#deps.slots.offerAlone((release) => {
      if (!this.#leases.has(lease)) release();
      else if (this.#stopped.signal.aborted) {
        this.#handBack([lease]);
        release();
      } else this.#track(this.#startAlone(lease, release));
    });
  }

  async #startAlone(lease: Lease, release: () => void): Promise<void> {
    try {
      if (await this.#leases.markAlone(lease)) this.#begin([lease], release);
      else release();
    } catch (error) {
      this.#deps.logger.warn("a delivery could not be started alone", { error, delivery_id: lease.deliveryId });
      this.#handBack([lease]);
      release();
    }
  }

  #buryCrashed(lease: Lease): void {
    this.#track(this.#settleCrashed(lease));
  }

  async #settleCrashed(lease: Lease): Promise<void> {
    const { clock, logger } = this.#deps;
    const nowMs = clock.nowMs();
    const error = new Error(`The process died ${lease.crashesAlone} times while only this delivery was running`);
    error.name = "ProcessCrashed";
    const items = await readItems(lease, this.#deps);
    const letters = items.map((item) => letterOf(item, "crashed", error, item.progress, nowMs));
    logger.error("delivery failed", {
      subscription: lease.subscription,
      delivery_id: lease.deliveryId,
      reason: "crashed",
      job_status: "fail",
    });
    await this.#settle([{ lease, settlement: { kind: "dead" }, kind: "dead", letters, pause: false, verdicts: [] }]);
  }

  // Time

  #watchTimeouts(): void {
    if (this.#timeoutTimer || this.#calls.size === 0) return;
    const { clock } = this.#deps;
    const { timeoutMs } = this.#registered.work;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const call of this.#calls)
      nextMs = Math.min(nextMs, call.startedMonotonicMs + timeoutMs + (call.timedOut ? graceMs : 0));
    this.#timeoutTimer = clock.setTimer(Math.max(1, nextMs - clock.monotonicMs()), () => {
      this.#timeoutTimer = undefined;
      this.#timeOut();
      this.#watchTimeouts();
    });
  }

  #timeOut(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const { timeoutMs } = this.#registered.work;
    for (const call of this.#calls) {
      const overdueMs = nowMs - call.startedMonotonicMs - timeoutMs;
      if (overdueMs < 0) break;
      call.timeOut(timeoutMs);
      if (overdueMs >= graceMs) call.giveUp(call.signal.reason);
    }
  }

  #track(work: Promise<void>): void {
    this.#work.add(work);
    const forget = (): void => void this.#work.delete(work);
    work.then(forget, (error: unknown) => {
      forget();
      this.#deps.logger.error("a delivery could not be handled", { error });
    });
  }
}

const succeeded: ItemResult = Object.freeze({ kind: "done" });

function unreadable(error: unknown, startedAtMs: number): ItemResult {
  return { kind: "failed", stage: "decode", error, startedAtMs, durationMs: 0 };
}

/** A replayed delivery says so in its id; its letter is known by the event and the subscription. */
function replayedLetter({ lease }: DeliveryEnd): string[] {
  const replay = /^(.+)\.r\d+$/.exec(lease.deliveryId)?.[1];
  return replay?.endsWith(`.${lease.subscription}`) ? [replay] : [];
}

/** @throws {InvalidSubscriber} `EVT_BATCH_RESULT_INVALID`. */
function readBatchResult(result: unknown, count: number): ReadonlyMap<number, unknown> {
  const failures = new Map<number, unknown>();
  if (result === undefined) return failures;
  if (typeof result !== "object" || result === null || !("failed" in result) || !Array.isArray(result.failed))
    throw new InvalidSubscriber("EVT_BATCH_RESULT_INVALID", {
      message: "`handleBatch` returned something else than `{ failed }`",
    });
  for (const entry of result.failed as readonly { readonly index?: unknown; readonly error?: unknown }[]) {
    const index = entry?.index;
    if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= count || failures.has(index))
      throw new InvalidSubscriber("EVT_BATCH_RESULT_INVALID", { details: { index, count } });
    failures.set(index, entry.error);
  }
  return failures;
}
