import type { PeerHappening } from "../peers/transition-log.js";
import {
  type BatchSnapshot,
  type Certificate,
  type PeerSnapshot,
  type SyncLayer,
  syncLayers,
} from "../sync/snapshot.js";

/** A peer as the API and live pages show it: everything but its lists. */
export function showPeer(peer: PeerSnapshot, nowMs: number) {
  return {
    url: peer.url,
    status: peer.connectionStatus,
    health: peer.health,
    is_bootstrap: peer.isBootstrap,
    failures: peer.failures,
    last_failure: peer.lastFailure && { at: isoTime(peer.lastFailure.at), ...showFailure(peer.lastFailure.failure) },
    next_attempt_at: timeOrNull(peer.nextAttemptAt),
    last_connected: timeOrNull(peer.lastConnected),
    disconnected_at: timeOrNull(peer.disconnectedAt),
    announcements_synced: peer.announcementsSynced,
    historic_sync_completed: peer.historicSyncCompleted,
    historic_sync_completed_at: timeOrNull(peer.historicSyncCompletedAt),
    historic_sync_had_failures: peer.historicSyncHadFailures,
    last_success_at: timeOrNull(peer.lastSuccessAt),
    wanted: { repos: peer.wanted.repos, root_events: peer.wanted.rootEvents },
    confirmed: { repos: peer.repos.length, root_events: peer.rootEvents.length },
    complete: layers((layer) => peer.certificates[layer]?.complete ?? null),
    certified_at: layers((layer) => timeOrNull(peer.certificates[layer]?.at ?? null)),
    events_here: layers((layer) => peer.certificates[layer]?.localCount ?? null),
    negentropy_unsupported:
      peer.negentropyUnsupportedUntil !== null && peer.negentropyUnsupportedUntil > nowMs
        ? { until: isoTime(peer.negentropyUnsupportedUntil), reason: peer.negentropyUnsupportedReason ?? "" }
        : null,
    naughty: peer.naughty && {
      category: peer.naughty.category,
      since: isoTime(peer.naughty.since),
      until: isoTime(peer.naughty.until),
    },
    live_subscriptions: peer.liveSubscriptions,
    undecided_events: peer.undecidedEvents,
    pending_batches: peer.pendingBatches.map((batch) => showBatch(batch, nowMs)),
  };
}

export type ShownPeer = ReturnType<typeof showPeer>;

function showFailure({
  kind,
  code,
  message,
}: {
  readonly kind: string;
  readonly code: string;
  readonly message: string;
}) {
  return { kind, code, message };
}

function showBatch(batch: BatchSnapshot, nowMs: number) {
  return {
    batch_id: batch.batchId,
    layer: batch.layer,
    method: batch.method,
    items: batch.items.length,
    age_s: Math.max(0, Math.round((nowMs - batch.startedAt) / 1_000)),
    retries: batch.retries,
    failed: batch.failed,
    pages: batch.pages,
    received: batch.received,
    ids_asked: batch.idsAsked,
    ids_seen: batch.idsSeen,
  };
}

export function showCertificate(certificate: Certificate) {
  return {
    at: isoTime(certificate.at),
    method: certificate.method,
    proof: certificate.proof,
    complete: certificate.complete,
    incomplete_reason: certificate.incompleteReason,
    local_count: certificate.localCount,
    remote_missing: certificate.remoteMissing,
    missing_here: certificate.missingHere,
    excluded: { ...certificate.excluded },
    filters_hash: certificate.filtersHash,
  };
}

export function showHappening(happening: PeerHappening) {
  const { kind, cause } = happening;
  const at = isoTime(happening.at);
  return kind === "notice"
    ? { kind, at, from: null, to: null, cause }
    : { kind, at, from: happening.from, to: happening.to, cause };
}

export function layers<T>(of: (layer: SyncLayer) => T): Record<SyncLayer, T> {
  const [announcements, states, repositories, roots] = [
    of("announcements"),
    of("states"),
    of("repositories"),
    of("roots"),
  ];
  return { announcements, states, repositories, roots };
}

/** Whether a peer is fully connected and nothing says that something of it is missing. */
export function isCompletelySynced({ status, complete }: ShownPeer): boolean {
  return status === "connected" && syncLayers.every((layer) => complete[layer] !== false);
}

export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function timeOrNull(timeMs: number | null): string | null {
  return timeMs === null ? null : isoTime(timeMs);
}
