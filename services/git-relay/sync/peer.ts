import { type Clock, type Logger, ulid } from "@signalbox/kernel";
import type { Signer } from "@signalbox/nostr";
import type { EventIntake } from "../accept-event.js";
import type { RelayEvents } from "../store/port.js";
import type { SharedBacklog } from "./backlog.js";
import { type Batch, BatchLedger, describeBatch, retryDelaysMs } from "./batches.js";
import { openConnection, PeerConnection } from "./connection.js";
import { announcementPortion, maxFilterValues, type Portion, portionsOf } from "./filters.js";
import type { PeerIntake } from "./intake.js";
import { countItems, noItems, type SyncItems, unite } from "./items.js";
import { groupPortions } from "./live.js";
import type { SyncConfig } from "./options.js";
import {
  type HealthTracker,
  type InformationSource,
  type NaughtyList,
  PeerConnectError,
  type PeerFailure,
  type PeerInformation,
  type PeerUrl,
  type Random,
  type RejectedIndex,
  type RememberedPeer,
  type SocketFactory,
} from "./ports.js";
import { certify } from "./proof.js";
import { RefusedIds } from "./refused-ids.js";
import { BatchFailure } from "./request.js";
import { type RunKind, SyncRun } from "./run.js";
import type {
  BatchResult,
  Certificate,
  ConnectionStatus,
  PeerSnapshot,
  SyncLayer,
  SyncMethod,
  SyncObserver,
} from "./snapshot.js";
import { assertTransition, isOpen } from "./status.js";

/** What all peers share. */
export interface PeerContext {
  readonly config: SyncConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly sockets: SocketFactory;
  readonly information: InformationSource;
  readonly health: HealthTracker;
  readonly naughty: NaughtyList;
  readonly rejected: RejectedIndex;
  readonly events: RelayEvents;
  readonly intake: EventIntake;
  readonly peerIntake: PeerIntake;
  readonly backlog: SharedBacklog;
  readonly observer: SyncObserver;
  readonly signer: Signer;
  readonly logger: Logger;
  /** Whether everything stored because of the peer has been turned into wishes. */
  isFlushed(url: PeerUrl): boolean;
  /** What is remembered of the peer changed. */
  onChanged(peer: Peer): void;
  /** The peer turned out to be this relay. */
  onOurselves(peer: Peer): void;
  saveCertificate(url: PeerUrl, layer: SyncLayer, certificate: Certificate): void;
}

/** Absent for longer, a peer is synced from nothing; before that only what it has since then is asked for. */
const quickReconnectMs = 900_000;
const quickOverlapSeconds = 120;
const consolidationOverlapSeconds = 900;
const consolidationPatienceMs = 30_000;
const failedRetryMs = 3_600_000;
const pruneAfterMs = 60_000;
const negentropyMarkMs = 24 * 3_600_000;
const verifyWithinMs = 3_600_000;
const hourMs = 3_600_000;
const maxInvalidInMinute = 20;

/**
 * One peer: its connection, what was asked of it and what of that is proven. Nobody else changes these, and it waits for
 * nobody else. Methods return at once; what they start goes on by itself.
 */
export class Peer {
  readonly url: PeerUrl;
  readonly isBootstrap: boolean;
  readonly #context: PeerContext;
  readonly #ledger: BatchLedger;
  readonly #refusedIds: RefusedIds;
  #status: ConnectionStatus = "disconnected";
  #wanted: SyncItems = noItems;
  #connection: PeerConnection | undefined;
  #attempt: AbortController | undefined;
  #run: SyncRun | undefined;
  #isRemoved = false;
  #isConsolidating = false;

  #lastConnected: number | null = null;
  #disconnectedAt: number | null = null;
  #completed = false;
  #completedAt: number | null = null;
  #hadFailures = false;
  #lastSuccessAt: number | null = null;
  #failedSince: number | null = null;
  #unwantedSince: number | null = null;
  #nextDailyAt: number | null = null;
  #verifyAt: number | null = null;
  #negentropyMark: { readonly until: number; readonly reason: string } | undefined;
  #certificates: Partial<Record<SyncLayer, Certificate>> = {};
  #invalidAt: number[] = [];
  #toldHealth: string | undefined;
  #wasRateLimited = false;

  constructor(url: PeerUrl, isBootstrap: boolean, context: PeerContext) {
    this.url = url;
    this.isBootstrap = isBootstrap;
    this.#context = context;
    this.#ledger = new BatchLedger(() => context.clock.nowMs());
    this.#refusedIds = new RefusedIds(context.clock);
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  get isDaily(): boolean {
    return this.#run?.kind === "daily" && this.#status === "syncing";
  }

  /** Says what should be synced from now on, and asks for what is new. */
  want(items: SyncItems): void {
    this.#wanted = items;
    this.#ledger.retain(items);
    this.#recompute();
  }

  /** What was stored because of the peer has been turned into wishes. */
  onFlushed(): void {
    this.#checkCompletion();
  }

  /** Something confirmed may have to be fetched again. */
  syncAgain(items: SyncItems, announcements: boolean): void {
    if (!isOpen(this.#status)) return;
    this.#ledger.unconfirm(items);
    if (announcements) this.#sync([announcementPortion]);
    this.#recompute();
  }

  // Connecting

  mayConnect(): boolean {
    const { health, naughty } = this.#context;
    return this.#status === "disconnected" && health.attemptAllowed(this.url) && naughty.attemptAllowed(this.url);
  }

  /** Tries to connect, once. Resolves when the attempt is over. */
  async connect(): Promise<void> {
    const { config, naughty, observer } = this.#context;
    this.#move("connecting", "attempt");
    naughty.onAttempt(this.url);
    const attempt = new AbortController();
    this.#attempt = attempt;
    const connection = await openConnection(this.#connectionParts(config.baseBackoffMs), attempt.signal).catch(
      failureOf,
    );
    this.#attempt = undefined;
    if (connection instanceof PeerConnection) {
      if (attempt.signal.aborted) connection.close("given up");
      else {
        observer.attempt(this.url, "success");
        this.#onConnected(connection);
      }
    } else {
      if (!attempt.signal.aborted) {
        observer.attempt(this.url, "failure");
        this.#onFailure(connection);
      }
      this.#move("disconnected", attempt.signal.aborted ? "given up" : connection.code);
    }
  }

  #onConnected(connection: PeerConnection): void {
    const { clock, health } = this.#context;
    const absentMs = this.#disconnectedAt === null ? undefined : clock.nowMs() - this.#disconnectedAt;
    const since = this.#disconnectedAt;
    this.#connection = connection;
    this.#lastConnected = clock.nowMs();
    this.#disconnectedAt = null;
    health.onSuccess(this.url);
    this.#move("syncing", "connected");
    this.#tellHealth();
    this.#context.onChanged(this);
    if (since !== null && absentMs !== undefined && absentMs >= 0 && absentMs <= quickReconnectMs)
      this.#reconnectQuickly(Math.floor(since / 1_000) - quickOverlapSeconds);
    else this.#startFresh("fresh");
  }

  #onLost(failure: PeerFailure | null): void {
    this.#connection = undefined;
    this.#disconnectedAt = this.#context.clock.nowMs();
    this.#endRun("the connection ended");
    if (failure) this.#onFailure(failure);
    if (isOpen(this.#status)) this.#move("disconnected", failure?.code ?? "closed");
    this.#tellHealth();
  }

  #onFailure(failure: PeerFailure): void {
    const { health, naughty, onChanged } = this.#context;
    health.onFailure(this.url, failure);
    naughty.record(this.url, failure);
    this.#tellHealth();
    onChanged(this);
  }

  // Historic sync

  /** Forgets what is proven and asks for everything. */
  #startFresh(kind: Exclude<RunKind, "quick">): void {
    this.#endRun("a fresh start");
    this.#ledger.clear();
    this.#completed = false;
    this.#completedAt = null;
    this.#hadFailures = false;
    this.#verifyAt = null;
    this.#beginRun(kind);
    this.#connection?.live.clear();
    const portions = [announcementPortion, ...this.#needs()];
    this.#follow(portions);
    this.#sync(portions);
  }

  /** Follows what is proven anew, and asks for what came meanwhile, then for what is wanted beyond that. */
  #reconnectQuickly(since: number): void {
    const { clock, random } = this.#context;
    this.#endRun("a new connection");
    this.#beginRun("quick");
    const confirmed = portionsOf(this.#ledger.confirmed, this.#filterSize);
    this.#follow([announcementPortion, ...confirmed]);
    this.#sync([announcementPortion], this.#ledger.announcementsSynced ? since : undefined);
    this.#sync(confirmed, since);
    this.#verifyAt = clock.nowMs() + Math.floor(random.next() * verifyWithinMs);
    this.#recompute();
  }

  /** Asks for what is wanted and neither asked for nor proven. */
  #recompute(): void {
    const connection = this.#connection;
    if (!connection || !isOpen(this.#status) || this.#isConsolidating) return;
    const portions = this.#needs();
    if (this.#isWorthConsolidating(connection, portions)) void this.#consolidate(connection);
    else {
      this.#follow(portions);
      this.#sync(portions);
    }
    this.#checkCompletion();
  }

  #needs(): readonly Portion[] {
    return this.#ledger.needs(this.#wanted, this.#filterSize);
  }

  get #filterSize(): number {
    return this.#connection?.filterSize ?? maxFilterValues;
  }

  /** Live first, so that nothing falls between what was and what comes. */
  #follow(portions: readonly Portion[]): void {
    const live = this.#connection?.live;
    if (portions.length > this.#context.config.consolidateAbove) live?.addTogether(portions);
    else live?.add(portions);
  }

  #sync(portions: readonly Portion[], since?: number): void {
    const connection = this.#connection;
    const run = this.#run;
    if (!connection || !run) return;
    for (const portion of portions) {
      const batch = this.#ledger.add({ portion, since, method: this.#methodFor(since) });
      void this.#syncBatch(batch, connection, run);
    }
    this.#tellPending();
  }

  #methodFor(since: number | undefined): SyncMethod {
    const { config, clock } = this.#context;
    const isMarked = this.#negentropyMark !== undefined && this.#negentropyMark.until > clock.nowMs();
    return config.negentropy && since === undefined && !isMarked ? "negentropy" : "req_eose";
  }

  /** Until the batch is confirmed, has failed for good, or its reason ends. */
  async #syncBatch(batch: Batch, connection: PeerConnection, run: SyncRun): Promise<void> {
    const { clock, logger } = this.#context;
    for (;;) {
      try {
        const proof = await connection.sync(batch, run.signal);
        if (!this.#ledger.confirm(batch)) return;
        if (batch.since === undefined) run.addProof(proof);
        this.#lastSuccessAt = clock.nowMs();
        this.#tellBatch(batch, "confirmed");
        this.#checkCompletion();
        return;
      } catch (error) {
        if (run.signal.aborted || !this.#ledger.isPending(batch)) return;
        if (!(error instanceof BatchFailure))
          logger.warn("a batch ended unexpectedly", { error, relay: this.url, layer: batch.portion.layer });
        const delayMs = retryDelaysMs[batch.retries];
        logger.info("a batch failed", {
          relay: this.url,
          layer: batch.portion.layer,
          error,
          again: delayMs !== undefined,
        });
        if (delayMs === undefined) {
          this.#giveUp(batch);
          return;
        }
        batch.retries++;
        const isOver = await clock.sleep(delayMs, { signal: run.signal }).then(
          () => false,
          () => true,
        );
        if (isOver) return;
        batch.method = this.#methodFor(batch.since);
      }
    }
  }

  #giveUp(batch: Batch): void {
    batch.failed = true;
    this.#failedSince ??= this.#context.clock.nowMs();
    this.#hadFailures = true;
    this.#tellBatch(batch, "failed");
    this.#checkCompletion();
  }

  /** Whether everything that was is here, and what followed from it was asked for, too. */
  #checkCompletion(): void {
    const { clock, isFlushed } = this.#context;
    const run = this.#run;
    if (this.#status !== "syncing" || !run || !this.#ledger.isSettled || !isFlushed(this.url)) return;
    if (run.isFull) this.#certify(run);
    // A full sync that was interrupted is completed by quick ones.
    if (run.isFull || this.#nextDailyAt === null) this.#scheduleDaily();
    this.#completed = true;
    this.#completedAt ??= clock.nowMs();
    this.#hadFailures = this.#ledger.hasFailures;
    if (!this.#hadFailures) this.#failedSince = null;
    this.#move(this.#hadFailures ? "connected_with_failures" : "connected", "historic sync completed");
  }

  #certify(run: SyncRun): void {
    const { clock, observer, saveCertificate } = this.#context;
    const failed = new Set(this.#ledger.pending.map(({ portion }) => portion.layer));
    for (const [layer, proofs] of run.proofs) {
      const certificate = certify(proofs, failed.has(layer), clock.nowMs());
      this.#certificates = { ...this.#certificates, [layer]: certificate };
      observer.certificate(this.url, layer, certificate);
      saveCertificate(this.url, layer, certificate);
    }
  }

  #beginRun(kind: RunKind): void {
    this.#run = new SyncRun(kind, ulid());
  }

  /** Ends what is under way, without judging it. */
  #endRun(reason: string): void {
    this.#run?.end(reason);
    this.#run = undefined;
    for (const batch of this.#ledger.drop()) if (!batch.failed) this.#tellBatch(batch, "dropped");
    this.#tellPending();
  }

  // Fewer live subscriptions

  #isWorthConsolidating(connection: PeerConnection, added: readonly Portion[]): boolean {
    const count = connection.live.count + added.length;
    if (added.length === 0 || count <= this.#context.config.consolidateAbove) return false;
    return groupPortions(this.#allPortions()).length < count * 0.75;
  }

  #allPortions(): readonly Portion[] {
    return [announcementPortion, ...portionsOf(unite([this.#wanted, this.#ledger.confirmed]), this.#filterSize)];
  }

  async #consolidate(connection: PeerConnection): Promise<void> {
    const { clock } = this.#context;
    const run = this.#run;
    if (!run) return;
    this.#isConsolidating = true;
    try {
      const untilMs = clock.monotonicMs() + consolidationPatienceMs;
      while (!this.#ledger.isSettled && clock.monotonicMs() < untilMs) await clock.sleep(500, { signal: run.signal });
      await connection.live.replace(this.#allPortions());
      const since = Math.floor(clock.nowMs() / 1_000) - consolidationOverlapSeconds;
      const { repositories, roots } = this.#ledger.confirmed;
      this.#sync(portionsOf({ ...noItems, repositories, roots }, this.#filterSize), since);
      this.#sync(this.#needs());
    } catch (error) {
      if (!run.signal.aborted)
        this.#context.logger.warn("live subscriptions were not gathered", { error, relay: this.url });
    } finally {
      this.#isConsolidating = false;
      this.#recompute();
    }
  }

  // What time brings

  /** Looks at what has become due; called again and again, and quick. */
  onTick(): void {
    const { clock, health } = this.#context;
    const now = clock.nowMs();
    this.#unwantedSince = this.#isUnwanted() ? (this.#unwantedSince ?? now) : null;
    if (this.#wasRateLimited && health.rateLimitedUntil(this.url) === null) {
      this.#wasRateLimited = false;
      this.#recompute();
    }
    if (this.#status === "connected_with_failures" && isPast(this.#failedSince, now - failedRetryMs))
      this.#retryFailed();
    if (isOpen(this.#status) && isPast(this.#verifyAt, now)) this.#verify();
    this.#tellHealth();
  }

  /** Whether nothing of it has been wanted for a while. */
  isPrunable(): boolean {
    return isPast(this.#unwantedSince, this.#context.clock.nowMs() - pruneAfterMs);
  }

  isDailyDue(): boolean {
    const isIdle = this.#status === "connected" || this.#status === "connected_with_failures";
    return isIdle && isPast(this.#nextDailyAt, this.#context.clock.nowMs());
  }

  /** Everything anew on the same connection. */
  startDaily(): void {
    this.#nextDailyAt = null;
    this.#move("syncing", "daily");
    this.#startFresh("daily");
  }

  #isUnwanted(): boolean {
    return !this.isBootstrap && countItems(this.#wanted) === 0 && this.#ledger.isSettled;
  }

  #scheduleDaily(): void {
    const { clock, random } = this.#context;
    this.#nextDailyAt = clock.nowMs() + Math.round((23 + 2 * random.next()) * hourMs);
  }

  #retryFailed(): void {
    this.#failedSince = null;
    this.#move("syncing", "failed batches are tried again");
    const failed = this.#ledger.drop(this.#ledger.pending.filter((batch) => batch.failed));
    for (const { portion, since } of failed) this.#sync([portion], since);
  }

  /** After a quick reconnect: finds what was made before the absence and came to the peer during it. */
  #verify(): void {
    this.#verifyAt = null;
    if (this.#methodFor(undefined) !== "negentropy") return;
    this.#sync([announcementPortion, ...portionsOf(this.#ledger.confirmed, this.#filterSize)]);
  }

  // By hand, and the end

  /** Forgets failures and marks and syncs anew. */
  repair(): void {
    const { health, naughty } = this.#context;
    health.clear(this.url);
    naughty.clear(this.url);
    this.#negentropyMark = undefined;
    this.#refusedIds.clear();
    this.#context.onChanged(this);
    this.#disconnectedAt = null;
    if (this.#status === "syncing") this.#startFresh("fresh");
    else if (isOpen(this.#status)) {
      this.#move("syncing", "repair");
      this.#startFresh("fresh");
    }
    this.#tellHealth();
  }

  /** Ends the connection, if there is one, and the peer with it. */
  remove(cause: string): void {
    if (isOpen(this.#status)) this.#move("disconnecting", cause);
    this.#isRemoved = true;
    this.#attempt?.abort();
    this.#endRun(cause);
    this.#connection?.close(cause);
  }

  /** Closes the connection; nothing of it counts as a failure. */
  shutDown(): void {
    this.#attempt?.abort();
    this.#endRun("shutting down");
    this.#connection?.close("shutting down");
  }

  // What others see

  restore({ negentropyUnsupportedUntil, negentropyUnsupportedReason }: RememberedPeer): void {
    if (negentropyUnsupportedUntil !== null)
      this.#negentropyMark = { until: negentropyUnsupportedUntil, reason: negentropyUnsupportedReason ?? "" };
  }

  remember(): RememberedPeer {
    return {
      url: this.url,
      health: this.#context.health.dump(this.url),
      negentropyUnsupportedUntil: this.#negentropyMark?.until ?? null,
      negentropyUnsupportedReason: this.#negentropyMark?.reason ?? null,
    };
  }

  snapshot(): PeerSnapshot {
    const { health, naughty } = this.#context;
    const { confirmed } = this.#ledger;
    const { lastFailure, lastFailureAt } = health.dump(this.url);
    const waits = [health.nextAttemptAt(this.url), naughty.nextAttemptAt(this.url)].flatMap((at) => at ?? []);
    const isConnected = isOpen(this.#status);
    return {
      url: this.url,
      repos: [...confirmed.repositories],
      rootEvents: [...confirmed.roots],
      wanted: { repos: this.#wanted.repositories.size, rootEvents: this.#wanted.roots.size },
      isBootstrap: this.isBootstrap,
      connectionStatus: this.#status,
      health: health.state(this.url, isConnected),
      failures: health.failures(this.url),
      lastFailure: lastFailure && lastFailureAt !== null ? { at: lastFailureAt, failure: lastFailure } : null,
      lastConnected: this.#lastConnected,
      disconnectedAt: this.#disconnectedAt,
      announcementsSynced: this.#ledger.announcementsSynced,
      historicSyncCompleted: this.#completed,
      historicSyncCompletedAt: this.#completedAt,
      historicSyncHadFailures: this.#hadFailures,
      nextAttemptAt: isConnected || waits.length === 0 ? null : Math.max(...waits),
      negentropyUnsupportedUntil: this.#negentropyMark?.until ?? null,
      negentropyUnsupportedReason: this.#negentropyMark?.reason ?? null,
      naughty: naughty.find(this.url),
      pendingBatches: this.#ledger.pending.map(describeBatch),
      liveSubscriptions: this.#connection?.live.count ?? 0,
      undecidedEvents: this.#connection?.link.undecided ?? 0,
      lastSuccessAt: this.#lastSuccessAt,
      certificates: this.#certificates,
    };
  }

  #move(to: ConnectionStatus, cause: string): void {
    const from = this.#status;
    assertTransition(from, to);
    this.#status = to;
    if (this.#isRemoved) return;
    const { clock, observer, logger } = this.#context;
    logger.info("a peer changed its status", { relay: this.url, from, to, cause });
    observer.transition(this.url, from, to, cause, clock.nowMs());
  }

  #tellHealth(): void {
    const { health, observer } = this.#context;
    const state = health.state(this.url, isOpen(this.#status));
    const failures = health.failures(this.url);
    const told = `${state} ${failures}`;
    if (told === this.#toldHealth || this.#isRemoved) return;
    this.#toldHealth = told;
    observer.healthChanged(this.url, state, failures);
  }

  #tellPending(): void {
    if (!this.#isRemoved) this.#context.observer.pendingBatches(this.url, this.#ledger.pending.length);
  }

  #tellBatch(batch: Batch, result: BatchResult): void {
    const { clock, observer } = this.#context;
    const seconds = (clock.nowMs() - batch.startedAtMs) / 1_000;
    observer.batch(this.url, batch.portion.layer, batch.method, result, seconds);
    this.#tellPending();
  }

  // What the connection tells

  #connectionParts(timeoutMs: number): Parameters<typeof openConnection>[0] {
    const { clock, signer, backlog, sockets, events, intake, rejected, information, health, observer } = this.#context;
    return {
      url: this.url,
      clock,
      signer,
      backlog,
      sockets,
      events,
      intake,
      rejected,
      timeoutMs,
      refusedIds: this.#refusedIds,
      fetchInformation: (signal) => information.fetch(this.url, signal),
      receive: (value, bytes) => {
        const correlationId = this.#status === "syncing" && this.#run ? this.#run.correlationId : ulid();
        return this.#context.peerIntake.receive(value, bytes, { peer: this.url, correlationId });
      },
      decided: (disposition) => {
        observer.received(this.url, disposition);
        if (disposition === "invalid") this.#onInvalid();
      },
      onNotice: (text) => observer.notice(this.url, text, clock.nowMs()),
      onRateLimit: () => this.#onRateLimit(),
      rateLimitedUntil: () => health.rateLimitedUntil(this.url),
      onInformation: (said) => this.#onInformation(said),
      onNegentropyUnusable: (reason) => this.#onNegentropyUnusable(reason),
      onLost: (failure) => this.#onLost(failure),
    };
  }

  #onInformation({ self }: PeerInformation): void {
    if (self === this.#context.signer.publicKey) this.#context.onOurselves(this);
  }

  #onRateLimit(): void {
    this.#context.health.onRateLimit(this.url);
    this.#wasRateLimited = true;
    this.#tellHealth();
    this.#context.onChanged(this);
  }

  #onNegentropyUnusable(reason: string): void {
    const { clock, logger, onChanged } = this.#context;
    const now = clock.nowMs();
    if (this.#negentropyMark && this.#negentropyMark.until > now) return;
    this.#negentropyMark = { until: now + negentropyMarkMs, reason };
    logger.warn("a peer cannot reconcile, its history is read in pages", { relay: this.url, reason });
    onChanged(this);
  }

  #onInvalid(): void {
    const now = this.#context.clock.nowMs();
    this.#invalidAt = [...this.#invalidAt.filter((at) => at > now - 60_000), now];
    if (this.#invalidAt.length < maxInvalidInMinute) return;
    this.#invalidAt = [];
    this.#context.health.onLapse(this.url);
    this.#tellHealth();
    this.#context.onChanged(this);
  }
}

function failureOf(error: unknown): PeerFailure {
  if (error instanceof PeerConnectError) return error.failure;
  return { kind: "protocol", code: "UNEXPECTED", message: error instanceof Error ? error.message : String(error) };
}

function isPast(moment: number | null, now: number): boolean {
  return moment !== null && moment <= now;
}
