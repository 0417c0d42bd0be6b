import { errorMessage, ulid } from "@signalbox/kernel";
import { type ConnectionParts, openConnection, PeerConnection } from "./connection.js";
import { describePeer, newRecord } from "./describe-peer.js";
import type { SyncItems } from "./items.js";
import { NegentropyMark } from "./negentropy-mark.js";
import type { PeerContext } from "./peer-context.js";
import { PeerSync } from "./peer-sync.js";
import {
  PeerConnectError,
  type PeerFailure,
  type PeerInformation,
  type PeerUrl,
  type RememberedPeer,
} from "./ports.js";
import { RefusedIds } from "./refused-ids.js";
import type { ConnectionStatus, PeerSnapshot } from "./snapshot.js";
import { assertTransition, isOpen } from "./status.js";
import { PeerVoice } from "./voice.js";

/** Absent for longer, a peer is synced from nothing; before that only what it has since then is asked for. */
const quickReconnectMs = 900_000;
const quickOverlapSeconds = 120;
const verifyWithinMs = 3_600_000;
const failedRetryMs = 3_600_000;
const pruneAfterMs = 60_000;
const hourMs = 3_600_000;
const maxInvalidInMinute = 20;

/**
 * One peer and its connection. Nobody else changes it, and it waits for nobody else. Methods return at once; what they
 * start goes on by itself.
 */
export class Peer {
  readonly url: PeerUrl;
  readonly isBootstrap: boolean;
  readonly #context: PeerContext;
  readonly #record = newRecord();
  readonly #refusedIds: RefusedIds;
  readonly #mark: NegentropyMark;
  readonly #voice: PeerVoice;
  readonly #sync: PeerSync;
  #status: ConnectionStatus = "disconnected";
  #attempt: AbortController | undefined;
  #connection: PeerConnection | undefined;
  #wasRateLimited = false;
  /** When events with wrong signatures came, lately. */
  #invalidAt: readonly number[] = [];

  constructor(url: PeerUrl, isBootstrap: boolean, context: PeerContext) {
    this.url = url;
    this.isBootstrap = isBootstrap;
    this.#context = context;
    this.#refusedIds = new RefusedIds(context.clock);
    this.#mark = new NegentropyMark(url, context);
    this.#voice = new PeerVoice(url, context);
    this.#sync = new PeerSync({
      url,
      context,
      voice: this.#voice,
      record: this.#record,
      mark: this.#mark,
      onSettled: () => this.#onSettled(),
    });
  }

  get isDaily(): boolean {
    return this.#sync.run?.kind === "daily" && this.#status === "syncing";
  }

  /** Says what should be synced from now on, and asks for what is new. */
  want(items: SyncItems): void {
    this.#sync.want(items);
  }

  /** What was stored because of the peer has been turned into wishes. */
  onFlushed(): void {
    this.#sync.checkSettled();
  }

  /** Something proven may have to be fetched again. */
  askAgain(items: SyncItems, announcements: boolean): void {
    if (isOpen(this.#status)) this.#sync.askAgain(items, announcements);
  }

  // Connecting

  get isDisconnected(): boolean {
    return this.#status === "disconnected";
  }

  mayConnect(): boolean {
    const { health, naughty } = this.#context;
    return this.isDisconnected && health.attemptAllowed(this.url) && naughty.attemptAllowed(this.url);
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
    const { missingSince } = this.#record;
    const now = clock.nowMs();
    this.#connection = connection;
    this.#record.lastConnected = now;
    this.#record.disconnectedAt = null;
    health.onSuccess(this.url);
    this.#move("syncing", "connected");
    this.#voice.health(this.#status);
    this.#context.onChanged(this);
    // A clock that was set back tells nothing about the time that passed.
    if (missingSince === null || now < missingSince || now - missingSince > quickReconnectMs)
      this.#startFresh(connection, "fresh");
    else this.#resume(connection, Math.floor(missingSince / 1_000) - quickOverlapSeconds);
  }

  #onLost(failure: PeerFailure | null): void {
    this.#connection = undefined;
    const lostSince = this.#context.presence.lostSince();
    this.#record.disconnectedAt = lostSince;
    // What a quick sync had not made up for when it was interrupted is still missing.
    this.#record.missingSince ??= lostSince;
    this.#sync.end("connection lost");
    if (isOpen(this.#status)) this.#move("disconnected", failure?.code ?? "closed");
    if (failure) this.#onFailure(failure);
    else this.#voice.health(this.#status);
  }

  #onFailure(failure: PeerFailure): void {
    const { health, naughty, onChanged } = this.#context;
    health.onFailure(this.url, failure);
    naughty.record(this.url, failure);
    this.#voice.health(this.#status);
    onChanged(this);
  }

  // Historic sync

  #startFresh(connection: PeerConnection, kind: "fresh" | "daily"): void {
    Object.assign(this.#record, { completed: false, completedAt: null, hadFailures: false, failedSince: null });
    this.#record.verifyAt = null;
    this.#record.missingSince = null;
    this.#sync.startFresh(connection, kind);
  }

  #resume(connection: PeerConnection, since: number): void {
    const { clock, random } = this.#context;
    this.#record.verifyAt = clock.nowMs() + Math.floor(random.next() * verifyWithinMs);
    this.#sync.resume(connection, since);
  }

  #onSettled(): void {
    if (this.#status !== "syncing") return;
    const { clock, random } = this.#context;
    const isFull = this.#sync.run?.isFull ?? false;
    if (isFull) this.#sync.certify();
    // A full sync that was interrupted is completed by quick ones.
    if (isFull || this.#record.nextDailyAt === null)
      this.#record.nextDailyAt = clock.nowMs() + Math.round((23 + 2 * random.next()) * hourMs);
    const { hasFailures } = this.#sync.ledger;
    this.#record.completed = true;
    this.#record.completedAt ??= clock.nowMs();
    this.#record.hadFailures = hasFailures;
    if (!hasFailures) {
      this.#record.failedSince = null;
      this.#record.missingSince = null;
    }
    this.#sync.run?.conclude(hasFailures);
    this.#move(hasFailures ? "connected_with_failures" : "connected", "historic sync completed");
  }

  // What time brings

  /** Does what has become due: the end of a rest above all. Called again and again, and quick. */
  recover(): void {
    const { clock, health } = this.#context;
    const now = clock.nowMs();
    const isUnwanted = !this.isBootstrap && this.#sync.isIdle;
    this.#record.unwantedSince = isUnwanted ? (this.#record.unwantedSince ?? now) : null;
    if (this.#wasRateLimited && health.rateLimitedUntil(this.url) === null) {
      this.#wasRateLimited = false;
      this.#sync.recompute();
    }
    if (isPast(this.#record.failedSince, now - failedRetryMs)) this.retryFailed();
    if (isOpen(this.#status) && isPast(this.#record.verifyAt, now)) {
      this.#record.verifyAt = null;
      this.#sync.verify();
    }
  }

  /** Health changes by itself as time passes. */
  tellHealth(): void {
    this.#voice.health(this.#status);
  }

  /** Whether nothing of it has been wanted for a while. */
  isPrunable(): boolean {
    return isPast(this.#record.unwantedSince, this.#context.clock.nowMs() - pruneAfterMs);
  }

  isDailyDue(): boolean {
    const isIdle = this.#status === "connected" || this.#status === "connected_with_failures";
    return isIdle && isPast(this.#record.nextDailyAt, this.#context.clock.nowMs());
  }

  /** Everything anew on the same connection. */
  startDaily(): void {
    if (!this.#connection) return;
    this.#record.nextDailyAt = null;
    this.#move("syncing", "daily");
    this.#startFresh(this.#connection, "daily");
  }

  /** Tries the batches again that had failed for good; false when there are none. */
  retryFailed(): boolean {
    if (!isOpen(this.#status) || this.#record.failedSince === null) return false;
    this.#record.failedSince = null;
    if (this.#status === "connected_with_failures") this.#move("syncing", "failed batches are tried again");
    this.#sync.retryFailed();
    return true;
  }

  // By hand, and the end

  /** Forgets failures and marks and syncs anew. */
  repair(): void {
    const { health, naughty } = this.#context;
    health.clear(this.url);
    naughty.clear(this.url);
    this.#mark.clear();
    this.#refusedIds.clear();
    this.#record.disconnectedAt = null;
    this.#record.missingSince = null;
    if (this.#connection) {
      if (this.#status !== "syncing") this.#move("syncing", "repair");
      this.#startFresh(this.#connection, "fresh");
    }
    this.#voice.health(this.#status);
    this.#context.onChanged(this);
  }

  /** Ends the connection, if there is one, and the peer with it. */
  remove(cause: string): void {
    if (isOpen(this.#status)) this.#move("disconnecting", cause);
    this.#voice.end();
    this.#close(cause);
  }

  /** Closes the connection; nothing of it counts as a failure. */
  shutDown(): void {
    this.#close("shutting down");
  }

  #close(reason: string): void {
    this.#attempt?.abort();
    this.#sync.end(reason);
    this.#connection?.close(reason);
  }

  // What others see

  restore({ negentropyUnsupportedUntil, negentropyUnsupportedReason }: RememberedPeer): void {
    this.#mark.restore(negentropyUnsupportedUntil, negentropyUnsupportedReason);
  }

  remember(): RememberedPeer {
    return {
      url: this.url,
      health: this.#context.health.dump(this.url),
      negentropyUnsupportedUntil: this.#mark.until,
      negentropyUnsupportedReason: this.#mark.reason,
      naughty: this.#context.naughty.find(this.url),
    };
  }

  snapshot(): PeerSnapshot {
    const { health, naughty } = this.#context;
    return describePeer({
      url: this.url,
      isBootstrap: this.isBootstrap,
      status: this.#status,
      record: this.#record,
      ledger: this.#sync.ledger,
      mark: this.#mark,
      connection: this.#connection,
      health,
      naughty,
    });
  }

  #move(to: ConnectionStatus, cause: string): void {
    const from = this.#status;
    assertTransition(from, to);
    this.#status = to;
    this.#voice.transition(from, to, cause);
  }

  // What the connection tells

  #connectionParts(timeoutMs: number): ConnectionParts {
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
      logger: this.#context.logger,
      timeoutMs,
      refusedIds: this.#refusedIds,
      fetchInformation: (signal) => information.fetch(this.url, signal),
      receive: (value, bytes) => {
        // What a historic sync brings belongs together; what comes live does not.
        const run = this.#status === "syncing" ? this.#sync.run : undefined;
        const correlationId = run?.correlationId ?? ulid();
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
    this.#voice.health(this.#status);
    this.#context.onChanged(this);
  }

  #onNegentropyUnusable(reason: string): void {
    this.#mark.set(reason);
    this.#context.onChanged(this);
  }

  #onInvalid(): void {
    const now = this.#context.clock.nowMs();
    this.#invalidAt = [...this.#invalidAt.filter((at) => at > now - 60_000), now];
    if (this.#invalidAt.length < maxInvalidInMinute) return;
    this.#invalidAt = [];
    this.#context.health.onLapse(this.url);
    this.#voice.health(this.#status);
    this.#context.onChanged(this);
  }
}

function failureOf(error: unknown): PeerFailure {
  if (error instanceof PeerConnectError) return error.failure;
  return { kind: "lost", code: "UNEXPECTED", message: errorMessage(error) };
}

function isPast(moment: number | null, now: number): boolean {
  return moment !== null && moment <= now;
}
