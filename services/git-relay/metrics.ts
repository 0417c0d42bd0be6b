import type { Clock, Metrics } from "@signalbox/kernel";
import type { RefusalPrefix } from "./policy.js";
import type { OutboxLimit } from "./ws/outboxes.js";

const verbs = ["EVENT", "REQ", "CLOSE", "AUTH", "COUNT", "NEG-OPEN", "NEG-MSG", "NEG-CLOSE", "other"] as const;
const answers = ["EVENT", "OK", "EOSE", "CLOSED", "NOTICE", "AUTH", "COUNT", "NEG-MSG", "NEG-ERR", "other"] as const;
const knownKinds = new Set([5, 1111, 1617, 1618, 1619, 1621, 1630, 1631, 1632, 1633, 10_317, 30_617, 30_618]);
const prefixes: readonly RefusalPrefix[] = [
  "auth-required",
  "blocked",
  "duplicate",
  "error",
  "invalid",
  "rate-limited",
  "restricted",
];

/** The series of the relay itself. */
export interface RelayMetrics {
  connected(): void;
  disconnected(seconds: number): void;
  addresses(distinct: number, flagged: number): void;
  /** A connection was closed because its client did not keep up: by its own limit, or by that of all together. */
  overflowed(limit: OutboxLimit): void;
  watchOutboxes(waitingBytes: () => number): void;
  received(verb: string): void;
  sent(type: string): void;
  eventReceived(kind: number): void;
  eventStored(kind: number): void;
  eventRejected(kind: number, reason: RefusalPrefix): void;
  queried(verb: "req" | "count" | "neg", seconds: number): void;
}

export interface RelayMetricsOptions {
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly version: string;
  countRepositories(): Promise<number>;
}

export function createRelayMetrics({ metrics, clock, version, countRepositories }: RelayMetricsOptions): RelayMetrics {
  const kindLabels = [...knownKinds].map(String).concat("other");
  const kindOf = (kind: number): string => (knownKinds.has(kind) ? String(kind) : "other");
  const connections = metrics.counter({
    name: "ngit_websocket_connections_total",
    help: "WebSocket connections that were opened.",
  });
  const active = metrics.gauge({ name: "ngit_websocket_connections_active", help: "Open WebSocket connections." });
  const distinct = metrics.gauge({
    name: "ngit_websocket_unique_ips",
    help: "Addresses that have WebSocket connections.",
  });
  const abusers = metrics.gauge({
    name: "ngit_websocket_flagged_abusers",
    help: "Addresses with more connections than the threshold for abuse.",
  });
  const durations = metrics.histogram({
    name: "ngit_websocket_connection_duration_seconds",
    help: "How long WebSocket connections were open.",
    buckets: [1, 5, 15, 30, 60, 300, 900, 3600],
  });
  const overflows = metrics.counter({
    name: "signalbox_relay_slow_clients_total",
    help: "Connections that were closed because too much waited to be sent to one client, or to all together.",
    labels: ["limit"],
    known: [{ limit: "connection" }, { limit: "relay" }],
  });
  const received = metrics.counter({
    name: "ngit_websocket_messages_received_total",
    help: "Messages from clients.",
    labels: ["type"],
    known: verbs.map((type) => ({ type })),
  });
  const sent = metrics.counter({
    name: "ngit_websocket_messages_sent_total",
    help: "Messages to clients.",
    labels: ["type"],
    known: answers.map((type) => ({ type })),
  });
  const eventCounter = (name: string, help: string) =>
    metrics.counter({ name, help, labels: ["kind"], known: kindLabels.map((kind) => ({ kind })) });
  const eventsReceived = eventCounter("ngit_events_received_total", "Events that clients sent.");
  const eventsStored = eventCounter("ngit_events_stored_total", "Events that were stored.");
  const eventsRejected = metrics.counter({
    name: "ngit_events_rejected_total",
    help: "Events that were refused.",
    labels: ["kind", "reason"],
    known: kindLabels.flatMap((kind) => prefixes.map((reason) => ({ kind, reason }))),
  });
  const querySeconds = metrics.histogram({
    name: "signalbox_relay_query_seconds",
    help: "Time from a request to the end of its stored events.",
    labels: ["verb"],
    known: [{ verb: "req" }, { verb: "count" }, { verb: "neg" }],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
  });
  metrics.gauge({
    name: "ngit_repositories_total",
    help: "Announced repositories.",
    collect: async (gauge) => gauge.set(await countRepositories()),
  });
  metrics
    .gauge({ name: "ngit_build_info", help: "Version of the running relay.", labels: ["version", "commit"] })
    .set(1, { version, commit: "unknown" });
  const startedMs = clock.monotonicMs();
  metrics.gauge({
    name: "ngit_uptime_seconds",
    help: "Time since the relay was started.",
    collect: (gauge) => gauge.set((clock.monotonicMs() - startedMs) / 1_000),
  });
  const oneOf = (list: readonly string[], type: string): string => (list.includes(type) ? type : "other");

  return {
    connected() {
      connections.add();
      active.add(1);
    },
    disconnected(seconds) {
      active.add(-1);
      durations.observe(seconds);
    },
    addresses(count, flagged) {
      distinct.set(count);
      abusers.set(flagged);
    },
    overflowed: (limit) => overflows.add(1, { limit }),
    watchOutboxes: (waitingBytes) =>
      void metrics.gauge({
        name: "signalbox_relay_outbox_bytes",
        help: "Bytes that wait to be sent to clients.",
        collect: (gauge) => gauge.set(waitingBytes()),
      }),
    received: (verb) => received.add(1, { type: oneOf(verbs, verb) }),
    sent: (type) => sent.add(1, { type: oneOf(answers, type) }),
    eventReceived: (kind) => eventsReceived.add(1, { kind: kindOf(kind) }),
    eventStored: (kind) => eventsStored.add(1, { kind: kindOf(kind) }),
    eventRejected: (kind, reason) => eventsRejected.add(1, { kind: kindOf(kind), reason }),
    queried: (verb, seconds) => querySeconds.observe(seconds, { verb }),
  };
}
