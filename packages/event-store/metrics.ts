import type { Counter, Gauge, Histogram, Labels, MetricOptions, Metrics } from "@signalbox/kernel";
import type { FrozenRegistry } from "./registry.js";

const prefix = "signalbox_event_store_";
const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const conditionBuckets = [1e-6, 2.5e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 0.1];
const byteBuckets = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

/** What the store asks for when the gauges are read. */
export interface GaugeSources {
  deliveries(gauge: Gauge): Promise<void>;
  oldestReady(gauge: Gauge): Promise<void>;
  deadLetters(gauge: Gauge): Promise<void>;
  outboxPending(gauge: Gauge): Promise<void>;
  outboxLag(gauge: Gauge): Promise<void>;
}

export interface StoreMetrics {
  /** The label of a subscription; `unknown` for one that this process does not declare. */
  labelOf(subscription: string): string;
  readonly published: Counter;
  readonly publishSeconds: Histogram;
  readonly decisions: Counter;
  readonly deliveries: Counter;
  readonly handlerSeconds: Histogram;
  readonly queueDelaySeconds: Histogram;
  readonly lateStarts: Counter;
  readonly deadLetters: Counter;
  readonly replays: Counter;
  readonly conditionSeconds: Histogram;
  readonly ignored: Counter;
  readonly rateLimited: Counter;
  readonly transportErrors: Counter;
  readonly eventBytes: Histogram;
  readonly outboxForwarded: Counter;
}

/** Label values come from the registry alone, so the number of series is known when the store is made. */
export function createStoreMetrics(metrics: Metrics, registry: FrozenRegistry, sources: GaugeSources): StoreMetrics {
  const events = registry.definitions.map(({ type }): Labels => ({ event: type }));
  const subscriptions = registry.subscriptions.map(({ id }): Labels => ({ subscription: id }));
  const subscribers = registry.subscribers.map(({ subscriber }): Labels => ({ subscriber: subscriber.name }));
  const decided = [
    ...registry.subscriptions.map(({ id, event }): Labels => ({ subscription: id, event: event.type })),
    ...events.map((labels): Labels => ({ ...labels, subscription: "" })),
  ];
  /** Each of the label sets with each of the values that something else can have. */
  const bound = (sets: readonly Labels[], values = 1): number => (sets.length + 1) * values;

  const counter = (name: string, help: string, labels: readonly string[], options: Partial<MetricOptions>): Counter =>
    metrics.counter({ name: prefix + name, help, labels, ...options });
  const histogram = (
    name: string,
    help: string,
    labels: readonly string[],
    maxSeries: number,
    buckets: readonly number[] = secondsBuckets,
  ): Histogram => metrics.histogram({ name: prefix + name, help, labels, maxSeries, buckets });

  metrics.gauge({
    name: `${prefix}deliveries`,
    help: "Unsettled deliveries.",
    labels: ["subscriber", "state"],
    maxSeries: bound(subscribers, 4),
    collect: (gauge) => sources.deliveries(gauge),
  });
  metrics.gauge({
    name: `${prefix}oldest_ready_seconds`,
    help: "Age of the oldest delivery that could be handled now.",
    labels: ["subscriber"],
    maxSeries: bound(subscribers),
    collect: (gauge) => sources.oldestReady(gauge),
  });
  metrics.gauge({
    name: `${prefix}dead_letters`,
    help: "Dead letters that wait for an operator.",
    labels: ["subscription"],
    maxSeries: bound(subscriptions),
    collect: (gauge) => sources.deadLetters(gauge),
  });
  metrics.gauge({
    name: `${prefix}outbox_pending`,
    help: "Deliveries published in transactions that are not in the transport yet.",
    labels: [],
    collect: (gauge) => sources.outboxPending(gauge),
  });
  metrics.gauge({
    name: `${prefix}outbox_lag_seconds`,
    help: "Age of the oldest delivery that is not in the transport yet.",
    labels: [],
    collect: (gauge) => sources.outboxLag(gauge),
  });

  const perEvent = { known: events, maxSeries: bound(events) };
  const perSubscription = { known: subscriptions, maxSeries: bound(subscriptions) };
  return {
    labelOf: (subscription) => (registry.subscription(subscription) ? subscription : "unknown"),
    published: counter("published_total", "Events published.", ["event"], perEvent),
    publishSeconds: histogram(
      "publish_seconds",
      "Time from publish to its durable acknowledgement.",
      ["event"],
      bound(events),
    ),
    decisions: counter(
      "decisions_total",
      "Outcomes of publishing, for each subscription.",
      ["event", "subscription", "decision"],
      { maxSeries: bound(decided, 9) },
    ),
    deliveries: counter("deliveries_total", "Ended delivery attempts.", ["subscription", "settlement"], {
      maxSeries: bound(subscriptions, 6),
    }),
    handlerSeconds: histogram(
      "handler_seconds",
      "Duration of handler calls.",
      ["subscription", "result"],
      bound(subscriptions, 3),
    ),
    queueDelaySeconds: histogram(
      "queue_delay_seconds",
      "Time from due to start.",
      ["subscription", "urgency"],
      bound(subscriptions),
    ),
    lateStarts: counter("late_starts_total", "Starts later than the urgency's target.", ["subscription", "urgency"], {
      maxSeries: bound(subscriptions),
    }),
    deadLetters: counter("dead_letters_total", "Deliveries given up.", ["subscription", "reason"], {
      maxSeries: bound(subscriptions, 6),
    }),
    replays: counter("replays_total", "Replayed dead letters by result.", ["subscription", "result"], {
      maxSeries: bound(subscriptions, 3),
    }),
    conditionSeconds: histogram(
      "condition_seconds",
      "Duration of conditions.",
      ["subscription"],
      bound(subscriptions),
      conditionBuckets,
    ),
    ignored: counter("ignored_total", "Runs whose handler ignored the event.", ["subscription"], perSubscription),
    rateLimited: counter("rate_limited_total", "Waits for a rate limit.", ["subscription"], perSubscription),
    transportErrors: counter("transport_errors_total", "Failed calls to the transport.", ["operation", "code"], {
      maxSeries: 100,
    }),
    outboxForwarded: counter("outbox_forwarded_total", "Deliveries brought from the outbox to the transport.", [], {
      known: [{}],
    }),
    eventBytes: histogram("event_bytes", "Size of encoded events.", ["event"], bound(events), byteBuckets),
  };
}
