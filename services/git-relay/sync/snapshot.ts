import type { FilterJson } from "@signalbox/nostr";
import type { NaughtyEntry, PeerFailure, PeerUrl } from "./ports.js";

/** What the connection to a peer is for at the moment. */
export type ConnectionStatus =
  | "disconnected"
  | "connecting"
  /** Open, catching up. */
  | "syncing"
  /** Everything of before is here; only new events come. */
  | "connected"
  /** The same, but a batch failed for good. */
  | "connected_with_failures"
  /** We close it, since nothing of it is wanted any more. */
  | "disconnecting";

export type HealthState = "healthy" | "disconnected" | "degraded" | "dead" | "rate_limited";

/** What is synced, in the order in which one leads to the next. */
export type SyncLayer = "announcements" | "states" | "repositories" | "roots";
export const syncLayers: readonly SyncLayer[] = ["announcements", "states", "repositories", "roots"];

/** How a batch catches up. */
export type SyncMethod = "negentropy" | "req_eose";

/** How an event from a peer ended; exactly one. */
export type Disposition = "saved" | "duplicate" | "held" | "rejected" | "waiting" | "invalid";
export const dispositions: readonly Disposition[] = ["saved", "duplicate", "held", "rejected", "waiting", "invalid"];

/** All that is known of a peer at one moment. Times are Unix milliseconds. */
export interface PeerSnapshot {
  readonly url: PeerUrl;
  /** Addresses of repositories that are proven synced. */
  readonly repos: readonly string[];
  /** Ids of root events that are proven synced. */
  readonly rootEvents: readonly string[];
  /** What should be synced from it. */
  readonly wanted: { readonly repos: number; readonly rootEvents: number };
  readonly isBootstrap: boolean;
  readonly connectionStatus: ConnectionStatus;
  readonly health: HealthState;
  /** Consecutive ones. */
  readonly failures: number;
  readonly lastFailure: { readonly at: number; readonly failure: PeerFailure } | null;
  readonly lastConnected: number | null;
  readonly disconnectedAt: number | null;
  readonly announcementsSynced: boolean;
  readonly historicSyncCompleted: boolean;
  readonly historicSyncCompletedAt: number | null;
  readonly historicSyncHadFailures: boolean;
  /** Nothing when connected, or when it may be tried at once. */
  readonly nextAttemptAt: number | null;
  readonly negentropyUnsupportedUntil: number | null;
  readonly negentropyUnsupportedReason: string | null;
  readonly naughty: NaughtyEntry | null;
  readonly pendingBatches: readonly BatchSnapshot[];
  readonly liveSubscriptions: number;
  /** Events read and not decided yet. */
  readonly undecidedEvents: number;
  /** When the last historic batch was confirmed. */
  readonly lastSuccessAt: number | null;
  /** The newest of each layer. */
  readonly certificates: Readonly<Partial<Record<SyncLayer, Certificate>>>;
}

export interface BatchSnapshot {
  readonly batchId: string;
  readonly layer: SyncLayer;
  /** Repositories or root events; none for the announcements. */
  readonly items: readonly string[];
  /** Seconds; nothing when everything is asked for. */
  readonly since: number | null;
  readonly method: SyncMethod;
  readonly startedAt: number;
  readonly retries: number;
  readonly failed: boolean;
  readonly pages: number;
  readonly received: number;
  readonly outstanding: readonly OutstandingSubscription[];
  /** How many ids a reconciliation found missing, and how many of them came. */
  readonly idsAsked: number;
  readonly idsSeen: number;
}

/** Stored events that a peer was asked for, page by page. */
export interface OutstandingSubscription {
  /** As it was asked for at first. */
  readonly filter: FilterJson;
  /** Events of the page that comes in. */
  readonly received: number;
  /** The smallest time of it, in seconds; nothing before the first event. */
  readonly smallestCreatedAt: number | null;
  /** Events of that second: they come again with the next page. */
  readonly idsAtSmallest: ReadonlySet<string>;
}

/** What a finished historic sync proves about one layer. */
export interface Certificate {
  readonly method: SyncMethod;
  /** How it is known: both sides compared, or pages read to their end. */
  readonly proof: "negentropy" | "pages";
  /** Unix milliseconds. */
  readonly at: number;
  readonly filtersHash: string;
  /** Stored events that the filters match. */
  readonly localCount: number;
  /** Events that only we have; nothing when the method does not tell. */
  readonly remoteMissing: number | null;
  /** Events that only the peer has, beside the excluded ones. */
  readonly missingHere: number;
  /** Events of the peer that are not stored here, by reason. */
  readonly excluded: Readonly<Record<ExclusionReason, number>>;
  readonly complete: boolean;
  /** Why it is not complete, as `saturated_second`. */
  readonly incompleteReason: string | null;
}

export type ExclusionReason = "held" | "rejected" | "refused" | "expired";

/** How a batch ended. `dropped`: its connection or its reason ended first. */
export type BatchResult = "confirmed" | "failed" | "dropped";

/**
 * Is told what happens, at once, and must be quick. What it throws is logged and changes nothing. Metrics, the log of
 * transitions and live pages hang on it. Times are Unix milliseconds.
 */
export interface SyncObserver {
  registered(peer: PeerUrl): void;
  /** It is forgotten: pruned, or by hand. */
  removed(peer: PeerUrl): void;
  transition(peer: PeerUrl, from: ConnectionStatus, to: ConnectionStatus, cause: string, at: number): void;
  /** Every attempt ends as exactly one. */
  attempt(peer: PeerUrl, result: "success" | "failure"): void;
  healthChanged(peer: PeerUrl, health: HealthState, failures: number): void;
  /** An event of the peer was decided. */
  received(peer: PeerUrl, disposition: Disposition): void;
  /** An event that came from a peer was stored just now, perhaps after it waited. */
  synced(): void;
  pendingBatches(peer: PeerUrl, count: number): void;
  batch(peer: PeerUrl, layer: SyncLayer, method: SyncMethod, result: BatchResult, seconds: number): void;
  /** The peer sent a NOTICE. */
  notice(peer: PeerUrl, text: string, at: number): void;
  certificate(peer: PeerUrl, layer: SyncLayer, certificate: Certificate): void;
}
