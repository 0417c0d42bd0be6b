import { type Clock, createFailureLog, type Logger, type Timer } from "@signalbox/kernel";
import { atRoot } from "./at-root.js";
import { BegunHere } from "./begun-here.js";
import { Call, type CallHost } from "./call.js";
import type { DispatchLog } from "./dispatch-log.js";
import { buryCrashed, byLease, type DeliveryEnd, endDelivery, type HandledItem } from "./end-delivery.js";
import type { Codec } from "./envelope.js";
import { EventStoreError } from "./errors.js";
import type { EventBlobs } from "./event-blobs.js";
import type { EventLines } from "./event-lines.js";
import { readItems } from "./handled-items.js";
import { HandlingLog } from "./handling-log.js";
import { LeaseKeeper } from "./lease-keeper.js";
import type { Limits } from "./limits.js";
import type { StoreMetrics } from "./metrics.js";
import type { Outbox } from "./outbox/outbox.js";
import { type CallSubject, performCall } from "./perform-call.js";
import type { Records } from "./records/records.js";
import type { FrozenRegistry, RegisteredSubscriber } from "./registry.js";
import { Settler } from "./settler.js";
import type { SlotPool, SlotUser } from "./slots.js";
import { Suspects, suspectAfterCrashes } from "./suspects.js";
import type { Tracing } from "./tracing.js";
import type { Consumer, Lease, LeaseMark, Transport } from "./transports/transport.js";
import { WaitingLine } from "./waiting-line.js";
import type { StoreWatchers } from "./watch.js";

export interface WorkerDependencies {
  readonly registry: FrozenRegistry;
  readonly transport: Transport;
  readonly codec: Codec;
  readonly records: Records;
  readonly eventBlobs: EventBlobs | undefined;
  /** Remembers what came through it, where the transport cannot be part of transactions. */
  readonly outbox: Outbox | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StoreMetrics;
  readonly lines: EventLines;
  readonly dispatchLog: DispatchLog | undefined;
  readonly watchers: StoreWatchers;
  readonly tracing: Tracing | undefined;
  readonly limits: Limits;
  readonly slots: SlotPool;
  readonly random: () => number;
  readonly once: CallHost["once"];
  /** Pauses a subscriber in every process. */
  readonly pause: (subscriber: string) => Promise<void>;
}

/** How long an aborted handler may take to end before it counts as failed. */
const graceMs = 5_000;
/** Deliveries are fetched ahead for about this much work. */
const prefetchMs = 50;
const maxPrefetch = 256;
/** A batch waits for company anyway; looking for it after each publish would cost a transaction for every few deliveries. */
const longestGatherMs = 25;
/** A worker that holds this much takes nothing more until some of it is settled. */
const maxHeldBytes = 67_108_864;

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
  readonly #settler: Settler;
  readonly #subject: CallSubject;
  readonly #stopped = new AbortController();
  #consumer: Consumer | undefined;
  readonly #waiting: WaitingLine;
  readonly #suspects: Suspects;
  readonly #begunHere = new BegunHere();
  readonly #calls = new Set<Call>();
  readonly #callOf = new Map<Lease, Call>();
  /** Looked up, marked, or about to be started with the process for themselves. */
  #starting = 0;
  /** Calls that have a slot and begin when their deliveries are marked. */
  #marking = 0;
  #onIdle: (() => void)[] = [];
  #timeoutTimer: Timer | undefined;
  #lingerTimer: Timer | undefined;
  /** Their call waits for the process to be free. */
  #suspectsOffered = false;
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
    this.#waiting = new WaitingLine(registered.work.batch);
    this.#suspects = new Suspects(registered.work.batch);
    this.#deps = deps;
    this.#handlingLog = new HandlingLog(deps);
    const extensions = createFailureLog({ ...deps, message: "leases could not be extended" });
    this.#leases = new LeaseKeeper({
      transport: deps.transport,
      clock: deps.clock,
      leaseMs: deps.limits.leaseMs,
      onLost: (lease) => this.#lose(lease),
      onError: (error) => extensions.failed({ error, subscriber: registered.subscriber.name }),
    });
    this.#settler = new Settler({
      ...deps,
      pause: () => deps.pause(this.subscriberName),
      onEnd: (lease, kind) => {
        this.#leases.drop(lease);
        if (kind !== "lease_lost") this.#begunHere.forget(lease);
        this.#handlingLog.ended(lease, kind);
      },
      onRound: () => this.#consumer?.wake(),
    });
    this.#subject = {
      subscriber: registered.subscriber,
      host: this,
      reader: deps,
      clock: deps.clock,
      log: this.#handlingLog,
      tracing: deps.tracing,
    };
  }

  /** Begins to take deliveries. */
  consume(): void {
    const { transport, limits } = this.#deps;
    const { concurrency, rateLimit, batch } = this.#registered.work;
    const { perProcess } = concurrency;
    this.#consumer = transport.consume(
      {
        subscriber: this.subscriberName,
        maxInFlight: batch ? batch.maxSize * (perProcess + 2) : perProcess + maxPrefetch,
        leaseMs: limits.leaseMs,
        maxTotal: concurrency.total,
        perKey: concurrency.perKey,
        rateLimit,
        gatherMs: batch ? Math.min(longestGatherMs, batch.maxWaitMs / 4) : 0,
        capacity: () => this.#capacity(),
        limited: () => this.#noteLimited(),
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
    if (this.#stopped.signal.aborted || this.#waiting.isEmpty) return false;
    return this.#active < concurrency.perProcess && (batch === null || this.#isRipe());
  }

  start(release: () => void): void {
    this.#lingerTimer?.cancel();
    this.#lingerTimer = undefined;
    this.#start(this.#waiting.take(), release);
    // What is left waits for company of its own.
    this.#ripe = false;
    this.#linger();
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
    while (this.#calls.size > 0 || this.#starting > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    await this.#settler.idle();
    this.#timeoutTimer?.cancel();
  }

  abortCalls(reason: unknown): void {
    for (const call of this.#calls) call.abort(reason);
  }

  /** Gives up waiting for the calls that still run; their deliveries are available to others at once. */
  handBackCalls(): void {
    for (const call of this.#calls) {
      const leases = call.leases.filter((lease) => !call.ended.has(lease));
      for (const lease of leases) call.ended.set(lease, "handed_back");
      this.#settler.handBack(leases);
      call.giveUp(new EventStoreError("EVT_CLOSED"));
    }
  }

  /** No longer waits for an engine that is away; what is unsettled will be handled again. */
  giveUp(): void {
    this.#settler.giveUp();
  }

  // Intake

  /** One queue for all subscriptions of the subscriber: the first one stands for them. */
  #noteLimited(): void {
    const subscription = this.#registered.subscriptions[0]?.id ?? this.subscriberName;
    this.#deps.metrics.rateLimited.add(1, { subscription });
  }

  #capacity(): number {
    if (this.#paused || this.#stopped.signal.aborted) return 0;
    const { batch, concurrency } = this.#registered.work;
    if (this.#leases.bytes >= Math.max(maxHeldBytes, 2 * (batch?.maxBytes ?? 0))) return 0;
    // What is handled and on its way to the transport needs no slot: the next deliveries can come with the same commit.
    // Nor do suspects: they wait for the process to be free, and the others take turns with them.
    const unhandled = this.#leases.size - this.#settler.unsettled - this.#suspects.size;
    if (batch) {
      // A delivery may be a hundred events: what fills a call is enough to have at hand.
      if (batch.joinGroups && this.#waiting.isFull()) return 0;
      const ahead = this.#callMs !== undefined && this.#callMs < prefetchMs ? 2 : 1;
      return batch.maxSize * (Math.min(this.#active, concurrency.perProcess) + ahead) - unhandled;
    }
    const ahead = this.#callMs === undefined ? 1 : prefetchMs / Math.max(this.#callMs, 0.01);
    const prefetch = Math.min(maxPrefetch, Math.floor(concurrency.perProcess * ahead));
    return concurrency.perProcess + prefetch - unhandled;
  }

  #take(leases: readonly Lease[]): void {
    this.#leases.hold(leases);
    if (this.#stopped.signal.aborted || this.#paused) {
      this.#settler.handBack(leases);
      return;
    }
    const { outbox } = this.#deps;
    const doubtful = outbox ? leases.filter((lease) => lease.outbox === true) : [];
    if (outbox && doubtful.length > 0) {
      this.#starting++;
      void this.#takeUnlessHandled(doubtful, outbox).finally(() => {
        this.#starting--;
        this.#tellIdle();
      });
    }
    this.#line(doubtful.length === 0 ? leases : leases.filter((lease) => !doubtful.includes(lease)));
  }

  /** What came through the outbox may come a second time. */
  async #takeUnlessHandled(leases: readonly Lease[], outbox: Outbox): Promise<void> {
    try {
      const handled = await outbox.handled(leases.map(({ deliveryId }) => deliveryId));
      this.#settler.drop(leases.filter(({ deliveryId }) => handled.has(deliveryId)));
      const fresh = leases.filter((lease) => !handled.has(lease.deliveryId) && this.#leases.has(lease));
      if (this.#stopped.signal.aborted || this.#paused) this.#settler.handBack(fresh);
      else this.#line(fresh);
    } catch (error) {
      this.#deps.logger.warn("deliveries could not be looked up", { error, subscriber: this.subscriberName });
      this.#settler.handBack(leases);
    }
  }

  /** Lines deliveries up for a slot. */
  #line(leases: readonly Lease[]): void {
    for (const lease of leases) {
      if (lease.crashesAlone >= this.#deps.limits.maxCrashes) void this.#buryCrashed(lease);
      else {
        const crashes = this.#begunHere.crashesElsewhere(lease);
        if (crashes >= suspectAfterCrashes) this.#suspects.push(lease, crashes);
        else this.#waiting.push(lease);
      }
    }
    this.#offerSuspects();
    this.#linger();
    this.#deps.slots.offer(this);
  }

  /** Lets the waiting deliveries wait for more, unless there are enough. */
  #linger(): void {
    const { batch } = this.#registered.work;
    if (!batch || this.#waiting.isEmpty || this.#lingerTimer || this.#isRipe()) return;
    this.#lingerTimer = this.#deps.clock.setTimer(batch.maxWaitMs, () => {
      this.#lingerTimer = undefined;
      this.#ripen();
    });
  }

  #ripen(): void {
    if (this.#waiting.isEmpty) return;
    this.#ripe = true;
    this.#deps.slots.offer(this);
  }

  #isRipe(): boolean {
    const { batch } = this.#registered.work;
    if (!batch || this.#waiting.isEmpty) return false;
    return this.#ripe || batch.maxWaitMs === 0 || this.#waiting.isFull();
  }

  // Calls

  /** Calls that have a slot. */
  get #active(): number {
    return this.#calls.size + this.#marking;
  }

  #start(leases: readonly Lease[], release: () => void): void {
    if (leases.every(({ crashes, crashesAlone }) => crashes + crashesAlone === 0)) {
      this.#begin(leases, release);
      return;
    }
    this.#starting++;
    this.#marking++;
    void this.#beginMarked(leases, "begun", release).finally(() => {
      this.#starting--;
      this.#marking--;
      this.#tellIdle();
    });
  }

  /**
   * A killed process cannot say what it had begun and what it had only fetched. What it left behind says so first the next
   * time, so that what never begins is never taken for the reason, however often its process is killed.
   */
  async #beginMarked(leases: readonly Lease[], mark: LeaseMark, release: () => void): Promise<void> {
    const { logger } = this.#deps;
    try {
      const doubtful = leases.filter((lease) => mark === "alone" || lease.crashes + lease.crashesAlone > 0);
      await this.#leases.mark(doubtful, mark);
      if (mark === "begun") for (const lease of doubtful) this.#begunHere.note(lease);
      const held = leases.filter((lease) => this.#leases.has(lease));
      if (held.length > 0 && !this.#stopped.signal.aborted) {
        this.#begin(held, release);
        return;
      }
      this.#settler.handBack(held);
    } catch (error) {
      logger.warn("deliveries could not be marked as begun", { error, subscriber: this.subscriberName });
      this.#settler.handBack(leases.filter((lease) => this.#leases.has(lease)));
    }
    release();
  }

  #begin(leases: readonly Lease[], release: () => void): void {
    const { clock, logger } = this.#deps;
    const call = new Call(leases, clock.nowMs(), clock.monotonicMs());
    this.#calls.add(call);
    for (const lease of leases) this.#callOf.set(lease, call);
    this.#watchTimeouts();
    // A slot may have been freed by anybody; the handler's context is that of its event alone.
    atRoot(() => performCall(call, this.#subject)).then(
      (handled) => this.#end(call, handled, release),
      (error: unknown) => {
        // Nothing is known of the deliveries; their leases run out and they are handled again.
        logger.error("a handler call broke off", { error, subscriber: this.subscriberName });
        for (const lease of leases) this.#leases.drop(lease);
        this.#end(call, [], release);
      },
    );
  }

  #end(call: Call, handled: readonly HandledItem[], release: () => void): void {
    const { clock, random } = this.#deps;
    const durationMs = clock.monotonicMs() - call.startedMonotonicMs;
    this.#callMs = this.#callMs === undefined ? durationMs : this.#callMs * 0.9 + durationMs * 0.1;
    this.#calls.delete(call);
    for (const lease of call.leases) this.#callOf.delete(lease);

    const nowMs = clock.nowMs();
    const ends: DeliveryEnd[] = [];
    for (const [lease, items] of byLease(call.leases, handled)) {
      const ended = call.ended.get(lease);
      if (ended === "lease_lost") this.#handlingLog.ended(lease, ended);
      if (ended) continue;
      const end = endDelivery(lease, items, this.#registered.work, nowMs, random);
      ends.push(end);
      const handling = { startedAtMs: call.startedAtMs, durationMs, settlement: end.kind };
      for (const [index, item] of items.entries()) this.#handlingLog.itemEnded(item, end.verdicts[index], handling);
    }
    this.#settler.add(ends);
    release();
    if (this.#calls.size === 0) this.#tellIdle();
  }

  // Leases

  #handBackWaiting(): void {
    this.#settler.handBack([...this.#waiting.takeAll(), ...this.#suspects.takeAll()]);
  }

  #lose(lease: Lease): void {
    const call = this.#callOf.get(lease);
    if (!call) {
      this.#waiting.remove(lease);
      this.#suspects.remove(lease);
      this.#handlingLog.ended(lease, "lease_lost");
      return;
    }
    call.ended.set(lease, "lease_lost");
    if (call.leases.every((other) => call.ended.has(other)))
      call.abort(new EventStoreError("EVT_HANDLER_TIMEOUT", { message: "The lease of the delivery was lost" }));
  }

  // Crashes

  /** What may kill its process gets the process for itself, so that nothing else is blamed. */
  #offerSuspects(): void {
    if (this.#suspectsOffered || this.#suspects.size === 0) return;
    this.#suspectsOffered = true;
    this.#starting++;
    this.#deps.slots.offerAlone((release) => {
      this.#suspectsOffered = false;
      void this.#startSuspects(release).finally(() => {
        this.#starting--;
        this.#offerSuspects();
        this.#tellIdle();
      });
    });
  }

  async #startSuspects(release: () => void): Promise<void> {
    const { leases, alone } = this.#suspects.take();
    // Until they are settled they would be blamed for a crash of the next ones.
    const releaseSettled = (): void => void this.#settler.idle().then(release);
    if (leases.length === 0) release();
    else await this.#beginMarked(leases, alone ? "alone" : "begun", releaseSettled);
  }

  async #buryCrashed(lease: Lease): Promise<void> {
    const { clock, logger } = this.#deps;
    const { deliveryId, subscription } = lease;
    const items = await readItems(lease, this.#deps);
    logger.error("delivery failed", { subscription, delivery_id: deliveryId, reason: "crashed", job_status: "fail" });
    this.#settler.add([buryCrashed(lease, items, clock.nowMs())]);
  }

  // Time

  #watchTimeouts(): void {
    if (this.#timeoutTimer || this.#calls.size === 0) return;
    const { clock } = this.#deps;
    const { timeoutMs } = this.#registered.work;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const call of this.#calls)
      nextMs = Math.min(nextMs, call.turnStartedMonotonicMs + timeoutMs + (call.turn.timedOut ? graceMs : 0));
    this.#timeoutTimer = clock.setTimer(Math.max(1, nextMs - clock.monotonicMs()), () => {
      this.#timeoutTimer = undefined;
      this.#timeOut();
      this.#watchTimeouts();
    });
  }

  #timeOut(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const { timeoutMs } = this.#registered.work;
    for (const { turn, turnStartedMonotonicMs } of this.#calls) {
      const overdueMs = nowMs - turnStartedMonotonicMs - timeoutMs;
      if (overdueMs < 0) continue;
      turn.timeOut(timeoutMs);
      if (overdueMs >= graceMs) turn.giveUp(turn.signal.reason);
    }
  }

  #tellIdle(): void {
    for (const tell of this.#onIdle.splice(0)) tell();
  }
}
