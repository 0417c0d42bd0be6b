import type { NostrEvent } from "@signalbox/nostr";
import { RelayError } from "../errors.js";
import type { Certificate, HealthState, SyncLayer } from "./snapshot.js";

declare const normalised: unique symbol;

/** The address of a peer in its one spelling; made by `readPeerUrl` only. Two spellings are one peer. */
export type PeerUrl = string & { readonly [normalised]: true };

/** Why a peer was not reached, or was lost. */
export interface PeerFailure {
  readonly kind: PeerFailureKind;
  /** The code of the error below, as `ECONNREFUSED`; what failures are classified by. */
  readonly code: string;
  /** For people. */
  readonly message: string;
}

export type PeerFailureKind =
  | "refused"
  | "timeout"
  | "tls"
  | "dns"
  /** An answer other than 101, a bad accept key, an invalid frame. */
  | "protocol"
  /** An open connection ended without us. */
  | "lost"
  /** Our own guard does not let us go there. */
  | "target_not_allowed";

/** What `SocketFactory.open` rejects with. */
export class PeerConnectError extends RelayError {
  readonly failure: PeerFailure;

  constructor(failure: PeerFailure, options: { readonly cause?: unknown } = {}) {
    const code = failure.kind === "target_not_allowed" ? "RELAY_TARGET_NOT_ALLOWED" : "RELAY_PEER_UNREACHABLE";
    super(code, { ...options, message: failure.message });
    this.failure = failure;
  }
}

/** One open WebSocket connection to a peer; text messages only. */
export interface PeerSocket {
  /** Never throws; after the end it does nothing. */
  send(text: string): void;
  close(code?: number, reason?: string): void;
  /** Stops reading, so that the peer feels that we cannot follow; `resume` goes on. What was read already may still come. */
  pause(): void;
  resume(): void;
}

export interface PeerSocketEvents {
  onMessage(text: string): void;
  /** At most once, and never before `open` resolved. Nothing: we closed it. */
  onClose(failure: PeerFailure | null): void;
}

export interface SocketOptions {
  /** For everything until the handshake is answered. */
  readonly timeoutMs: number;
  /** Gives the attempt up; an open connection is ended with `close`. */
  readonly signal: AbortSignal;
}

/** The way out to peers. */
export interface SocketFactory {
  /** @throws {PeerConnectError} also when the signal is aborted */
  open(url: PeerUrl, events: PeerSocketEvents, options: SocketOptions): Promise<PeerSocket>;
}

/** What a peer says of itself (NIP-11), as far as we use it. */
export interface PeerInformation {
  /** The peer's own key; ours, when it is ourselves under another name. */
  readonly self?: string;
  readonly defaultLimit?: number;
  readonly maxLimit?: number;
  readonly maxSubscriptions?: number;
  readonly software?: string;
  readonly version?: string;
}

export interface InformationSource {
  /** Nothing when it cannot be had, for whatever reason; never rejects. */
  fetch(url: PeerUrl, signal: AbortSignal): Promise<PeerInformation | null>;
}

/** Randomness as a dependency, so that a seed repeats a run. */
export interface Random {
  /** From 0 up to but without 1. */
  next(): number;
}

/** Who may be tried when, by what happened before. Pure bookkeeping on a clock: nothing here waits. */
export interface HealthTracker {
  /** Whether backoff, cooldown and the pace of a dead peer let us try now. */
  attemptAllowed(url: PeerUrl): boolean;
  /** Unix milliseconds; nothing when it may be tried at once. */
  nextAttemptAt(url: PeerUrl): number | null;
  onSuccess(url: PeerUrl): void;
  /** An attempt failed, or a connection was lost without our doing; once for each. */
  onFailure(url: PeerUrl, failure: PeerFailure): void;
  /** A connected peer misbehaved: it is degraded for the stability period, as after a failure. */
  onLapse(url: PeerUrl): void;
  /** Begins the cooldown, or begins it anew. */
  onRateLimit(url: PeerUrl): void;
  /** Unix milliseconds; nothing when no cooldown runs. */
  rateLimitedUntil(url: PeerUrl): number | null;
  state(url: PeerUrl, isConnected: boolean): HealthState;
  /** Consecutive failures. */
  failures(url: PeerUrl): number;
  /** Forgets what made the peer wait. */
  clear(url: PeerUrl): void;
  dump(url: PeerUrl): HealthRecord;
  restore(url: PeerUrl, record: HealthRecord): void;
}

/** What is kept of a peer's health; all times Unix milliseconds. */
export interface HealthRecord {
  readonly failures: number;
  /** Since when every attempt failed. */
  readonly streakStartedAt: number | null;
  readonly lastFailureAt: number | null;
  readonly lastFailure: PeerFailure | null;
  readonly lastSuccessAt: number | null;
  /** The first success after a failure, or the last lapse of a peer that stayed connected. */
  readonly recoveredAt: number | null;
  readonly nextAttemptAt: number | null;
  readonly cooldownUntil: number | null;
}

/** Peers whose failures will not pass by themselves soon. */
export interface NaughtyList {
  /** Takes note of the failure when it is of such a kind. */
  record(url: PeerUrl, failure: PeerFailure): void;
  attemptAllowed(url: PeerUrl): boolean;
  /** Unix milliseconds; nothing when it may be tried at once. */
  nextAttemptAt(url: PeerUrl): number | null;
  /** Takes note of an attempt, so that the next one waits. */
  onAttempt(url: PeerUrl): void;
  find(url: PeerUrl): NaughtyEntry | null;
  clear(url: PeerUrl): void;
  /** @param triedAt when the peer was called last, in Unix milliseconds */
  restore(url: PeerUrl, entry: NaughtyEntry, triedAt: number | null): void;
  /** Drops entries whose time is over. */
  expire(): void;
}

export interface NaughtyEntry {
  readonly category: "dns_lookup_failed" | "tls_certificate_invalid" | "protocol_error";
  /** Unix milliseconds. */
  readonly since: number;
  readonly until: number;
}

/** What outlives the process of a peer. */
export interface RememberedPeer {
  readonly url: PeerUrl;
  readonly health: HealthRecord;
  /** Unix milliseconds. */
  readonly negentropyUnsupportedUntil: number | null;
  readonly negentropyUnsupportedReason: string | null;
  readonly naughty: NaughtyEntry | null;
}

/** Where peers are remembered. Methods reject with the errors of the database; the engine goes on without. */
export interface PeerStore {
  loadPeers(): Promise<readonly RememberedPeer[]>;
  /** Adds or replaces. */
  savePeers(peers: readonly RememberedPeer[]): Promise<void>;
  /** Removes everything about a peer, also its certificates and transitions. */
  forgetPeer(url: PeerUrl): Promise<void>;
  saveCertificate(url: PeerUrl, layer: SyncLayer, certificate: Certificate): Promise<void>;
}

/** Announcements and states of peers that were refused, so that they are not downloaded again. */
export interface RejectedIndex {
  /** Which of the ids were refused and are still remembered. */
  remembered(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Takes note; resolves once it is durable. Only announcements and states are kept. */
  add(event: NostrEvent, refusal: { readonly prefix: string; readonly text: string }, peer: PeerUrl): Promise<void>;
}

/** Where historic syncs are recorded as journeys, so that those that never end are found. Nothing here throws. */
export interface SyncJourneys {
  begin(sync: { readonly relay: PeerUrl; readonly kind: string; readonly correlationId: string }): SyncJourney;
}

/** One of them; only the first end counts. */
export interface SyncJourney {
  complete(): void;
  fail(reason: string): void;
  /** It ended through nobody's fault. @param reason lower-case letters, digits and `_` */
  discard(reason: string): void;
}

const unrecorded: SyncJourney = { complete() {}, fail() {}, discard() {} };
export const noJourneys: SyncJourneys = { begin: () => unrecorded };

/** A way to find more peers in what is stored, and to know ourselves. */
export interface PeerDiscovery {
  /** The peers that an announcement names, at most 20, without ourselves. */
  peersOf(announcement: { readonly relays: readonly string[]; readonly clone: readonly string[] }): readonly PeerUrl[];
  isOurselves(url: PeerUrl): boolean;
}
