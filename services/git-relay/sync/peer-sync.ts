import { ulid } from "@signalbox/kernel";
import { type Batch, BatchLedger } from "./batches.js";
import type { PeerConnection } from "./connection.js";
import type { PeerRecord } from "./describe-peer.js";
import { announcementPortion, maxFilterValues, type Portion, portionsOf } from "./filters.js";
import { countItems, noItems, type SyncItems } from "./items.js";
import { groupPortions } from "./live.js";
import type { NegentropyMark } from "./negentropy-mark.js";
import type { PeerContext } from "./peer-context.js";
import type { PeerUrl } from "./ports.js";
import { certify } from "./proof.js";
import { type RunKind, SyncRun } from "./run.js";
import { syncUntilDone } from "./sync-until-done.js";
import type { PeerVoice } from "./voice.js";

export interface PeerSyncParts {
  readonly url: PeerUrl;
  readonly context: PeerContext;
  readonly voice: PeerVoice;
  readonly record: PeerRecord;
  readonly mark: NegentropyMark;
  /** Everything that was is here, or has failed for good, and what followed from it was asked for, too. */
  onSettled(): void;
}

const consolidationOverlapSeconds = 900;
const consolidationPatienceMs = 30_000;

/** What a peer is asked for over its connection, and what of that is proven. */
export class PeerSync {
  readonly #parts: PeerSyncParts;
  readonly #ledger: BatchLedger;
  #connection: PeerConnection | undefined;
  #run: SyncRun | undefined;
  #isConsolidating = false;
  /** What was stored when the last batch ended may have come of it, whoever else sent it first. */
  #awaitedPosition = 0;

  constructor(parts: PeerSyncParts) {
    this.#parts = parts;
    this.#ledger = new BatchLedger(() => parts.context.clock.nowMs());
  }

  get ledger(): BatchLedger {
    return this.#ledger;
  }

  get run(): SyncRun | undefined {
    return this.#run;
  }

  /** Whether there is nothing to ask for and nothing on its way. */
  get isIdle(): boolean {
    return countItems(this.#ledger.wanted) === 0 && this.#ledger.isSettled;
  }

  /** Says what should be synced from now on, and asks for what is new. */
  want(items: SyncItems): void {
    this.#ledger.want(items);
    this.recompute();
  }

  /** Forgets what is proven and asks for everything. */
  startFresh(connection: PeerConnection, kind: Exclude<RunKind, "quick">): void {
    this.end("a fresh start");
    this.#ledger.clear();
    this.#begin(connection, kind);
    connection.live.clear();
    const portions = [announcementPortion, ...this.#needs()];
    this.#follow(portions);
    this.#ask(portions);
  }

  /**
   * Follows what is proven anew, and asks for what of it came meanwhile; then for what is wanted beyond that.
   * @param since seconds
   */
  resume(connection: PeerConnection, since: number): void {
    this.end("a new connection");
    this.#begin(connection, "quick");
    const confirmed = portionsOf(this.#ledger.confirmed, this.#filterSize);
    this.#follow([announcementPortion, ...confirmed]);
    this.#ask([announcementPortion], this.#ledger.announcementsSynced ? since : undefined);
    this.#ask(confirmed, since);
    this.recompute();
  }

  /** Ends what is under way, without judging it. */
  end(reason: string): void {
    const { voice } = this.#parts;
    this.#run?.end(reason);
    this.#run = undefined;
    this.#connection = undefined;
    for (const batch of this.#ledger.drop()) if (!batch.failed) voice.batch(batch, "dropped");
    voice.pending(this.#ledger.pending.length);
  }

  /** Asks for what is wanted and neither asked for nor proven. */
  recompute(): void {
    const connection = this.#connection;
    if (!connection || this.#isConsolidating) return;
    const portions = this.#needs();
    if (this.#isWorthConsolidating(connection, portions)) void this.#consolidate(connection);
    else {
      this.#follow(portions);
      this.#ask(portions);
    }
    this.checkSettled();
  }

  /** Asks again for what was proven. */
  askAgain(items: SyncItems, announcements: boolean): void {
    this.#ledger.unconfirm(items);
    if (announcements) this.#ask([announcementPortion]);
    // Their live subscriptions go on.
    this.#ask(this.#needs());
  }

  retryFailed(): void {
    const failed = this.#ledger.drop(this.#ledger.pending.filter((batch) => batch.failed));
    for (const { portion, since } of failed) this.#ask([portion], since);
  }

  /** Compares everything that is proven once more. */
  verify(): void {
    if (this.#parts.mark.methodFor(undefined) === "negentropy")
      this.#ask([announcementPortion, ...portionsOf(this.#ledger.confirmed, this.#filterSize)]);
  }

  checkSettled(): void {
    const { url, context, onSettled } = this.#parts;
    if (!this.#run || this.#isConsolidating || !this.#ledger.isSettled) return;
    if (context.stored.isFlushed(url, this.#awaitedPosition)) onSettled();
  }

  /** Says what the historic sync has proven, layer by layer. */
  certify(): void {
    const { url, context, record } = this.#parts;
    const { clock, observer, saveCertificate } = context;
    const failed = new Set(this.#ledger.pending.map(({ portion }) => portion.layer));
    for (const [layer, proofs] of this.#run?.proofs ?? []) {
      const certificate = certify(proofs, failed.has(layer), clock.nowMs());
      record.certificates = { ...record.certificates, [layer]: certificate };
      observer.certificate(url, layer, certificate);
      saveCertificate(url, layer, certificate);
    }
  }

  #begin(connection: PeerConnection, kind: RunKind): void {
    this.#connection = connection;
    const correlationId = ulid();
    const journey = this.#parts.context.journeys.begin({ relay: this.#parts.url, kind, correlationId });
    this.#run = new SyncRun(kind, correlationId, journey);
  }

  #needs(): readonly Portion[] {
    return this.#ledger.needs(this.#filterSize);
  }

  get #filterSize(): number {
    return this.#connection?.filterSize ?? maxFilterValues;
  }

  /** Live first, so that nothing falls between what was and what comes. */
  #follow(portions: readonly Portion[]): void {
    const connection = this.#connection;
    if (!connection) return;
    if (portions.length > this.#maxLive(connection)) connection.live.addTogether(portions);
    else connection.live.add(portions);
  }

  /** @param since seconds; absent: everything is asked for */
  #ask(portions: readonly Portion[], since?: number): void {
    const connection = this.#connection;
    const run = this.#run;
    if (!connection || !run) return;
    const method = this.#parts.mark.methodFor(since);
    for (const portion of portions)
      void this.#seeThrough(this.#ledger.add({ portion, since, method }), connection, run);
    this.#parts.voice.pending(this.#ledger.pending.length);
  }

  /** Until the batch is confirmed, has failed for good, or its reason ends. */
  async #seeThrough(batch: Batch, connection: PeerConnection, run: SyncRun): Promise<void> {
    const { url, context, voice, record, mark } = this.#parts;
    const { clock, logger } = context;
    const end = await syncUntilDone(batch, {
      connection,
      signal: run.signal,
      relay: url,
      clock,
      logger,
      methodFor: (since) => mark.methodFor(since),
    });
    if (!this.#ledger.isPending(batch) || end.kind === "dropped") return;
    if (end.kind === "proven") {
      this.#ledger.confirm(batch);
      if (batch.since === undefined) run.addProof(end.proof);
      record.lastSuccessAt = clock.nowMs();
      voice.batch(batch, "confirmed");
    } else {
      batch.failed = true;
      record.hadFailures = true;
      record.failedSince ??= clock.nowMs();
      voice.batch(batch, "failed");
    }
    voice.pending(this.#ledger.pending.length);
    this.#awaitedPosition = context.stored.position;
    this.checkSettled();
  }

  // Fewer live subscriptions

  #isWorthConsolidating(connection: PeerConnection, added: readonly Portion[]): boolean {
    const count = connection.live.count + added.length;
    if (added.length === 0 || count <= this.#maxLive(connection) || !connection.live.takesGroups) return false;
    return groupPortions(this.#allPortions()).length < count * 0.75;
  }

  #maxLive({ maxLiveSubscriptions }: PeerConnection): number {
    return Math.min(this.#parts.context.config.consolidateAbove, maxLiveSubscriptions);
  }

  #allPortions(): readonly Portion[] {
    return [announcementPortion, ...portionsOf(this.#ledger.wanted, this.#filterSize)];
  }

  async #consolidate(connection: PeerConnection): Promise<void> {
    const { url, context } = this.#parts;
    const { clock, logger } = context;
    const run = this.#run;
    if (!run) return;
    this.#isConsolidating = true;
    try {
      const untilMs = clock.monotonicMs() + consolidationPatienceMs;
      while (!this.#ledger.isSettled && clock.monotonicMs() < untilMs) await clock.sleep(500, { signal: run.signal });
      await connection.live.replace(this.#allPortions());
      const since = Math.floor(clock.nowMs() / 1_000) - consolidationOverlapSeconds;
      const { repositories, roots } = this.#ledger.confirmed;
      this.#ask(portionsOf({ ...noItems, repositories, roots }, this.#filterSize), since);
      this.#ask(this.#needs());
    } catch (error) {
      if (!run.signal.aborted) logger.warn("live subscriptions were not gathered", { error, relay: url });
    } finally {
      this.#isConsolidating = false;
      this.recompute();
    }
  }
}
