import type { Clock, Labels, Metrics } from "@signalbox/kernel";
import { type CountedNaughtyList, naughtyCategories } from "./peers/naughty.js";
import type { PeerUrl } from "./sync/ports.js";
import {
  type Certificate,
  type ConnectionStatus,
  dispositions,
  type HealthState,
  type SyncLayer,
  type SyncObserver,
  syncLayers,
} from "./sync/snapshot.js";

export interface SyncMetricsOptions {
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly naughty: Pick<CountedNaughtyList, "counts">;
  /** `relay.sync.extended_status`: whether the states beyond fully connected have values of their own. */
  readonly extendedStatus: boolean;
  /** `relay.metrics.max_peers`: further peers have no series of their own. */
  readonly maxPeers: number;
}

const healthValues: Readonly<Record<HealthState, number>> = {
  healthy: 1,
  disconnected: 2,
  degraded: 3,
  dead: 4,
  rate_limited: 5,
};
const statusValues: Readonly<Record<ConnectionStatus, number>> = {
  disconnected: 0,
  connecting: 1,
  syncing: 2,
  connected: 3,
  connected_with_failures: 4,
  disconnecting: 5,
};
/** A peer with failed batches is not complete, one that we are leaving is as good as gone. */
const plainStatusValues = { ...statusValues, connected_with_failures: 2, disconnecting: 0 };
const open: ReadonlySet<ConnectionStatus> = new Set(["syncing", "connected", "connected_with_failures"]);
const methods = ["negentropy", "req_eose"] as const;
const results = ["confirmed", "failed", "dropped"] as const;

/** What the gauges of a peer show. */
interface PeerState {
  readonly labels: Labels;
  isShown: boolean;
  status: ConnectionStatus;
  health: HealthState;
  failures: number;
  pending: number;
  lastSuccessSeconds: number;
  readonly layers: Map<SyncLayer, Pick<Certificate, "complete" | "missingHere">>;
}

/**
 * The series of the sync with peers. All of them are there with the value 0 from the start, those of a peer from its
 * registration on; a peer that is removed loses its gauges, while its counters stay.
 */
export function createSyncMetrics(options: SyncMetricsOptions): SyncObserver {
  const { metrics, clock, naughty, maxPeers } = options;
  const valueOfStatus = options.extendedStatus ? statusValues : plainStatusValues;
  const peers = new Map<PeerUrl, PeerState>();
  const count = (isCounted: (peer: PeerState) => boolean): number => [...peers.values()].filter(isCounted).length;

  const perPeer = { labels: ["relay"], maxSeries: maxPeers } as const;
  const perLayer = { labels: ["relay", "layer"], maxSeries: maxPeers * syncLayers.length } as const;
  /** Counters of removed peers stay, so there may be more of them than peers. */
  const counted = (label: string, values: number) => ({ labels: ["relay", label], maxSeries: 4 * maxPeers * values });
  const perBatch = methods.flatMap((method) => syncLayers.map((layer) => ({ layer, method })));

  const connected = metrics.gauge({
    name: "ngit_sync_relay_connected",
    help: "Connection to a peer: 0 disconnected, 1 connecting, 2 syncing, 3 connected.",
    ...perPeer,
  });
  const attempts = metrics.counter({
    name: "ngit_sync_connection_attempts_total",
    help: "Attempts to connect to a peer, by how they ended.",
    ...counted("result", 2),
  });
  const health = metrics.gauge({
    name: "ngit_sync_relay_status",
    help: "Health of a peer: 1 healthy, 2 disconnected, 3 degraded, 4 dead, 5 rate limited.",
    ...perPeer,
  });
  const failures = metrics.gauge({
    name: "ngit_sync_relay_failures",
    help: "Failures of a peer since its last success.",
    ...perPeer,
  });
  const synced = metrics.counter({
    name: "ngit_sync_events_synced_total",
    help: "Events from peers that were stored and had not been here before.",
  });
  metrics.gauge({
    name: "ngit_sync_relays_tracked_total",
    help: "Peers that are synced from.",
    collect: (gauge) => gauge.set(peers.size),
  });
  metrics.gauge({
    name: "ngit_sync_relays_connected_total",
    help: "Peers with an open connection.",
    collect: (gauge) => gauge.set(count(({ status }) => open.has(status))),
  });
  metrics.gauge({
    name: "ngit_sync_relays_dead_total",
    help: "Peers that have failed for a day.",
    collect: (gauge) => gauge.set(count((peer) => peer.health === "dead")),
  });
  metrics.gauge({
    name: "ngit_sync_naughty_relays_total",
    help: "Peers that are seldom tried, by their mistake.",
    labels: ["category"],
    known: naughtyCategories.map((category) => ({ category })),
    collect(gauge) {
      for (const [category, value] of Object.entries(naughty.counts())) gauge.set(value, { category });
    },
  });
  metrics.gauge({
    name: "signalbox_relay_metrics_peers_omitted",
    help: "Peers without series of their own, because there are too many.",
    collect: (gauge) => gauge.set(count(({ isShown }) => !isShown)),
  });
  const received = metrics.counter({
    name: "signalbox_relay_sync_events_received_total",
    help: "Events that a peer sent, by how they ended.",
    ...counted("disposition", dispositions.length),
  });
  const batchSeconds = metrics.histogram({
    name: "signalbox_relay_sync_batch_seconds",
    help: "Time from the begin of a historic batch to its end.",
    labels: ["layer", "method"],
    known: perBatch,
    buckets: [0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600],
  });
  const batches = metrics.counter({
    name: "signalbox_relay_sync_batches_total",
    help: "Historic batches that ended.",
    labels: ["layer", "method", "result"],
    known: perBatch.flatMap((batch) => results.map((result) => ({ ...batch, result }))),
  });
  const pending = metrics.gauge({
    name: "signalbox_relay_sync_pending_batches",
    help: "Historic batches of a peer that have not ended.",
    ...perPeer,
  });
  const lastSuccess = metrics.gauge({
    name: "signalbox_relay_sync_last_success_timestamp_seconds",
    help: "When a historic batch of a peer was last confirmed; 0 when never.",
    ...perPeer,
  });
  const complete = metrics.gauge({
    name: "signalbox_relay_sync_complete",
    help: "Whether the last historic sync of a layer proved that nothing is missing.",
    ...perLayer,
  });
  const missing = metrics.gauge({
    name: "signalbox_relay_sync_missing_events",
    help: "Events of a layer that only the peer has, as the last historic sync found.",
    ...perLayer,
  });

  const show = (peer: PeerState): void => {
    if (!peer.isShown) return;
    const { labels } = peer;
    connected.set(valueOfStatus[peer.status], labels);
    health.set(healthValues[peer.health], labels);
    failures.set(peer.failures, labels);
    pending.set(peer.pending, labels);
    lastSuccess.set(peer.lastSuccessSeconds, labels);
    for (const layer of syncLayers) {
      const certificate = peer.layers.get(layer);
      complete.set(certificate?.complete ? 1 : 0, { ...labels, layer });
      missing.set(certificate?.missingHere ?? 0, { ...labels, layer });
    }
  };
  const begin = (peer: PeerState): void => {
    peer.isShown = true;
    for (const result of ["success", "failure"]) attempts.add(0, { ...peer.labels, result });
    for (const disposition of dispositions) received.add(0, { ...peer.labels, disposition });
    show(peer);
  };
  const end = ({ labels }: PeerState): void => {
    for (const gauge of [connected, health, failures, pending, lastSuccess]) gauge.remove(labels);
    for (const gauge of [complete, missing]) for (const layer of syncLayers) gauge.remove({ ...labels, layer });
  };
  const change = (url: PeerUrl, changes: Partial<Pick<PeerState, "status" | "health" | "failures" | "pending">>) => {
    const peer = peers.get(url);
    if (peer) show(Object.assign(peer, changes));
  };
  const shownLabels = (url: PeerUrl): Labels | undefined => {
    const peer = peers.get(url);
    return peer?.isShown ? peer.labels : undefined;
  };

  return {
    registered(url) {
      if (peers.has(url)) return;
      const peer: PeerState = {
        labels: Object.freeze({ relay: url }),
        isShown: false,
        status: "disconnected",
        health: "disconnected",
        failures: 0,
        pending: 0,
        lastSuccessSeconds: 0,
        layers: new Map(),
      };
      peers.set(url, peer);
      if (count(({ isShown }) => isShown) < maxPeers) begin(peer);
    },
    removed(url) {
      const peer = peers.get(url);
      peers.delete(url);
      if (!peer?.isShown) return;
      end(peer);
      const next = [...peers.values()].find(({ isShown }) => !isShown);
      if (next) begin(next);
    },
    transition: (url, _from, to) => change(url, { status: to }),
    attempt(url, result) {
      const labels = shownLabels(url);
      if (labels) attempts.add(1, { ...labels, result });
    },
    healthChanged: (url, state, count) => change(url, { health: state, failures: count }),
    received(url, disposition) {
      const labels = shownLabels(url);
      if (labels) received.add(1, { ...labels, disposition });
    },
    synced: () => synced.add(),
    pendingBatches: (url, count) => change(url, { pending: count }),
    batch(url, layer, method, result, seconds) {
      batches.add(1, { layer, method, result });
      batchSeconds.observe(seconds, { layer, method });
      const peer = peers.get(url);
      if (!peer || result !== "confirmed") return;
      peer.lastSuccessSeconds = clock.nowMs() / 1_000;
      show(peer);
    },
    notice() {},
    certificate(url, layer, certificate) {
      const peer = peers.get(url);
      peer?.layers.set(layer, certificate);
      if (peer) show(peer);
    },
  };
}
