import { type BatchLedger, describeBatch } from "./batches.js";
import type { PeerConnection } from "./connection.js";
import type { NegentropyMark } from "./negentropy-mark.js";
import type { HealthTracker, NaughtyList, PeerUrl } from "./ports.js";
import type { Certificate, ConnectionStatus, PeerSnapshot, SyncLayer } from "./snapshot.js";
import { isOpen } from "./status.js";

/** What a peer remembers of itself while the process runs; times are Unix milliseconds. */
export interface PeerRecord {
  lastConnected: number | null;
  disconnectedAt: number | null;
  /** Since when something may be missing: the last loss of the connection that no sync has made up for to its end. */
  missingSince: number | null;
  /** Of the current historic sync, from a fresh start on. */
  completed: boolean;
  completedAt: number | null;
  hadFailures: boolean;
  lastSuccessAt: number | null;
  /** Since when a batch that failed for good is not tried again. */
  failedSince: number | null;
  /** Since when nothing of it is wanted. */
  unwantedSince: number | null;
  nextDailyAt: number | null;
  /** When everything is compared after a quick reconnect. */
  verifyAt: number | null;
  certificates: Partial<Record<SyncLayer, Certificate>>;
}

export function newRecord(): PeerRecord {
  return {
    lastConnected: null,
    disconnectedAt: null,
    missingSince: null,
    completed: false,
    completedAt: null,
    hadFailures: false,
    lastSuccessAt: null,
    failedSince: null,
    unwantedSince: null,
    nextDailyAt: null,
    verifyAt: null,
    certificates: {},
  };
}

export interface PeerParts {
  readonly url: PeerUrl;
  readonly isBootstrap: boolean;
  readonly status: ConnectionStatus;
  readonly record: PeerRecord;
  readonly ledger: BatchLedger;
  readonly mark: NegentropyMark;
  readonly connection: PeerConnection | undefined;
  readonly health: HealthTracker;
  readonly naughty: NaughtyList;
}

/** All that is known of a peer, for those who look at it. */
export function describePeer(parts: PeerParts): PeerSnapshot {
  const { url, isBootstrap, status, record, ledger, mark, connection, health, naughty } = parts;
  const { lastFailure, lastFailureAt } = health.dump(url);
  const waits = [health.nextAttemptAt(url), naughty.nextAttemptAt(url)].flatMap((at) => at ?? []);
  const isConnected = isOpen(status);
  return {
    url,
    repos: ledger.confirmedOf("repositories"),
    rootEvents: ledger.confirmedOf("roots"),
    wanted: { repos: ledger.wanted.repositories.size, rootEvents: ledger.wanted.roots.size },
    isBootstrap,
    connectionStatus: status,
    health: health.state(url, isConnected),
    failures: health.failures(url),
    lastFailure: lastFailure && lastFailureAt !== null ? { at: lastFailureAt, failure: lastFailure } : null,
    lastConnected: record.lastConnected,
    disconnectedAt: record.disconnectedAt,
    announcementsSynced: ledger.announcementsSynced,
    historicSyncCompleted: record.completed,
    historicSyncCompletedAt: record.completedAt,
    historicSyncHadFailures: record.hadFailures,
    nextAttemptAt: isConnected || waits.length === 0 ? null : Math.max(...waits),
    negentropyUnsupportedUntil: mark.until,
    negentropyUnsupportedReason: mark.reason,
    naughty: naughty.find(url),
    pendingBatches: ledger.pending.map(describeBatch),
    liveSubscriptions: connection?.live.count ?? 0,
    undecidedEvents: connection?.link.undecided ?? 0,
    lastSuccessAt: record.lastSuccessAt,
    certificates: record.certificates,
  };
}
