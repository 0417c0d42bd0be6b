import { createPrometheusMetrics } from "@signalbox/http";
import { createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import { beforeEach, expect, test } from "vitest";
import type { NaughtyCategory } from "./peers/naughty.js";
import type { Certificate, ConnectionStatus, HealthState, SyncObserver } from "./sync/snapshot.js";
import { createSyncMetrics } from "./sync-metrics.js";
import { testPeer } from "./testing/test-peer.js";

const peer = testPeer("wss://peer.example");
const other = testPeer("wss://other.example");
const noNaughty: Record<NaughtyCategory, number> = {
  dns_lookup_failed: 0,
  tls_certificate_invalid: 0,
  protocol_error: 0,
};

let clock: VirtualClock;
let observer: SyncObserver;
let metrics = createPrometheusMetrics();
let naughty = { ...noNaughty };

const begin = (options: { readonly extendedStatus?: boolean; readonly maxPeers?: number } = {}): void => {
  metrics = createPrometheusMetrics();
  observer = createSyncMetrics({
    metrics,
    clock,
    naughty: { counts: () => naughty },
    extendedStatus: false,
    maxPeers: 500,
    ...options,
  });
};
beforeEach(() => {
  clock = createVirtualClock();
  naughty = { ...noNaughty };
  begin();
});

/** The samples that contain a text, without those of the exposition itself. */
const lines = async (text = ""): Promise<string[]> => {
  const { body } = await metrics.exposition();
  return body.split("\n").filter((line) => /^(ngit|signalbox_relay)_/.test(line) && line.includes(text));
};
const certificate = (values: Partial<Certificate>): Certificate => ({
  method: "negentropy",
  proof: "negentropy",
  at: clock.nowMs(),
  filtersHash: "",
  localCount: 0,
  remoteMissing: null,
  missingHere: 0,
  excluded: { held: 0, rejected: 0, refused: 0, expired: 0 },
  complete: true,
  incompleteReason: null,
  ...values,
});

test("GR-409 GR-410 GR-411 GR-412 GR-416 GR-422 what needs no peer is there at 0 from the start", async () => {
  const all = await lines();
  for (const line of [
    "ngit_sync_events_synced_total 0",
    "ngit_sync_relays_tracked_total 0",
    "ngit_sync_relays_connected_total 0",
    "ngit_sync_relays_dead_total 0",
    'ngit_sync_naughty_relays_total{category="dns_lookup_failed"} 0',
    'ngit_sync_naughty_relays_total{category="tls_certificate_invalid"} 0',
    'ngit_sync_naughty_relays_total{category="protocol_error"} 0',
    "signalbox_relay_metrics_peers_omitted 0",
    'signalbox_relay_sync_batches_total{layer="states",method="req_eose",result="dropped"} 0',
    'signalbox_relay_sync_batch_seconds_count{layer="roots",method="negentropy"} 0',
  ])
    expect(all).toContain(line);
});

test("GR-405 GR-406 GR-407 GR-408 GR-421 GR-423 GR-424 a peer's series are there from its registration", async () => {
  observer.registered(peer);
  const relay = 'relay="wss://peer.example"';
  expect(await lines(relay)).toEqual([
    `ngit_sync_relay_connected{${relay}} 0`,
    `ngit_sync_connection_attempts_total{${relay},result="success"} 0`,
    `ngit_sync_connection_attempts_total{${relay},result="failure"} 0`,
    `ngit_sync_relay_status{${relay}} 2`,
    `ngit_sync_relay_failures{${relay}} 0`,
    ...["saved", "duplicate", "held", "rejected", "waiting", "invalid"].map(
      (disposition) => `signalbox_relay_sync_events_received_total{${relay},disposition="${disposition}"} 0`,
    ),
    `signalbox_relay_sync_pending_batches{${relay}} 0`,
    `signalbox_relay_sync_last_success_timestamp_seconds{${relay}} 0`,
    ...["announcements", "states", "repositories", "roots"].map(
      (layer) => `signalbox_relay_sync_complete{${relay},layer="${layer}"} 0`,
    ),
    ...["announcements", "states", "repositories", "roots"].map(
      (layer) => `signalbox_relay_sync_missing_events{${relay},layer="${layer}"} 0`,
    ),
  ]);
});

test.each<[ConnectionStatus, number, number]>([
  ["disconnected", 0, 0],
  ["connecting", 1, 1],
  ["syncing", 2, 2],
  ["connected", 3, 3],
  ["connected_with_failures", 2, 4],
  ["disconnecting", 0, 5],
])("GR-236 GR-405 the status %s reads %d, and %d with the extended values", async (status, plain, extended) => {
  for (const [extendedStatus, value] of [
    [false, plain],
    [true, extended],
  ] as const) {
    begin({ extendedStatus });
    observer.registered(peer);
    observer.transition(peer, "disconnected", status, "test", clock.nowMs());
    expect(await lines("ngit_sync_relay_connected")).toEqual([
      `ngit_sync_relay_connected{relay="wss://peer.example"} ${value}`,
    ]);
  }
});

test.each<[HealthState, number]>([
  ["healthy", 1],
  ["disconnected", 2],
  ["degraded", 3],
  ["dead", 4],
  ["rate_limited", 5],
])("GR-407 GR-408 the health %s reads %d", async (health, value) => {
  observer.registered(peer);
  observer.healthChanged(peer, health, 7);
  expect(await lines("ngit_sync_relay_status")).toEqual([
    `ngit_sync_relay_status{relay="wss://peer.example"} ${value}`,
  ]);
  expect(await lines("ngit_sync_relay_failures")).toEqual(['ngit_sync_relay_failures{relay="wss://peer.example"} 7']);
});

test("GR-406 GR-409 GR-421 what happens is counted", async () => {
  observer.registered(peer);
  observer.attempt(peer, "failure");
  observer.attempt(peer, "success");
  observer.attempt(peer, "failure");
  observer.received(peer, "saved");
  observer.received(peer, "held");
  observer.received(peer, "held");
  observer.synced();
  const all = await lines();
  expect(all).toContain('ngit_sync_connection_attempts_total{relay="wss://peer.example",result="success"} 1');
  expect(all).toContain('ngit_sync_connection_attempts_total{relay="wss://peer.example",result="failure"} 2');
  expect(all).toContain('signalbox_relay_sync_events_received_total{relay="wss://peer.example",disposition="saved"} 1');
  expect(all).toContain('signalbox_relay_sync_events_received_total{relay="wss://peer.example",disposition="held"} 2');
  expect(all).toContain("ngit_sync_events_synced_total 1");
});

test("GR-410 GR-411 GR-412 GR-416 totals follow the peers", async () => {
  observer.registered(peer);
  observer.registered(other);
  observer.transition(peer, "connecting", "syncing", "test", 0);
  observer.healthChanged(other, "dead", 30);
  naughty.protocol_error = 2;
  const all = await lines("_total");
  expect(all).toContain("ngit_sync_relays_tracked_total 2");
  expect(all).toContain("ngit_sync_relays_connected_total 1");
  expect(all).toContain("ngit_sync_relays_dead_total 1");
  expect(all).toContain('ngit_sync_naughty_relays_total{category="protocol_error"} 2');
});

test("GR-422 GR-423 batches are counted and timed, and show when one was last confirmed", async () => {
  observer.registered(peer);
  observer.pendingBatches(peer, 2);
  observer.batch(peer, "roots", "negentropy", "confirmed", 0.2);
  await clock.advanceBy(60_000);
  observer.batch(peer, "roots", "req_eose", "failed", 61);
  const all = await lines("signalbox_relay_sync");
  expect(all).toContain('signalbox_relay_sync_pending_batches{relay="wss://peer.example"} 2');
  expect(all).toContain('signalbox_relay_sync_batches_total{layer="roots",method="negentropy",result="confirmed"} 1');
  expect(all).toContain('signalbox_relay_sync_batches_total{layer="roots",method="req_eose",result="failed"} 1');
  expect(all).toContain('signalbox_relay_sync_batch_seconds_sum{layer="roots",method="negentropy"} 0.2');
  expect(all).toContain(
    `signalbox_relay_sync_last_success_timestamp_seconds{relay="wss://peer.example"} ${clock.nowMs() / 1_000 - 60}`,
  );
});

test("GR-424 completeness is that of the newest certificate of each layer", async () => {
  observer.registered(peer);
  observer.certificate(peer, "roots", certificate({ complete: false, missingHere: 3 }));
  observer.certificate(peer, "states", certificate({ complete: true }));
  const all = await lines("layer=");
  expect(all).toContain('signalbox_relay_sync_complete{relay="wss://peer.example",layer="states"} 1');
  expect(all).toContain('signalbox_relay_sync_complete{relay="wss://peer.example",layer="roots"} 0');
  expect(all).toContain('signalbox_relay_sync_missing_events{relay="wss://peer.example",layer="roots"} 3');
});

test("a removed peer loses its gauges, its counters stay, and what is told later changes nothing", async () => {
  observer.registered(peer);
  observer.attempt(peer, "success");
  observer.removed(peer);
  observer.transition(peer, "disconnecting", "disconnected", "late", 0);
  observer.healthChanged(peer, "dead", 9);
  observer.received(peer, "saved");
  const names = (await lines('relay="wss://peer.example"')).map((line) => line.split("{")[0]);
  expect(new Set(names)).toEqual(
    new Set(["ngit_sync_connection_attempts_total", "signalbox_relay_sync_events_received_total"]),
  );
  expect(await lines()).toContain("ngit_sync_relays_tracked_total 0");
});

test("beyond the limit peers have no series of their own, until there is room", async () => {
  begin({ maxPeers: 1 });
  observer.registered(peer);
  observer.registered(other);
  observer.transition(other, "disconnected", "connecting", "test", 0);
  observer.attempt(other, "success");
  expect(await lines("wss://other.example")).toEqual([]);
  expect(await lines()).toEqual(
    expect.arrayContaining(["signalbox_relay_metrics_peers_omitted 1", "ngit_sync_relays_tracked_total 2"]),
  );
  observer.removed(peer);
  expect(await lines("ngit_sync_relay_connected")).toEqual([
    'ngit_sync_relay_connected{relay="wss://other.example"} 1',
  ]);
  expect(await lines("omitted")).toEqual(["signalbox_relay_metrics_peers_omitted 0"]);
});

test("registering twice changes nothing", async () => {
  observer.registered(peer);
  observer.transition(peer, "disconnected", "connecting", "test", 0);
  observer.registered(peer);
  expect(await lines("ngit_sync_relay_connected")).toEqual(['ngit_sync_relay_connected{relay="wss://peer.example"} 1']);
});

test("GR-413 no series that the reference has withdrawn", async () => {
  observer.registered(peer);
  const all = (await lines()).join("\n");
  expect(all).not.toMatch(/ngit_sync_gap_events_total|ngit_sync_events_total|status="/);
});
