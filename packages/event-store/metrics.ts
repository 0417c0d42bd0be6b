import type { Counter, Gauge, Histogram, Labels, Metrics } from "@signalbox/kernel";
import type { FrozenRegistry } from "./registry.js";

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const conditionBuckets = [1e-6, 2.5e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 0.1];
const byteBuckets = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

/** What the store asks for when the gauges are read. */
export interface GaugeSources {
  deliveries(gauge: Gauge): Promise<void>;
  oldestReady(gauge: Gauge): Promise<void>;
  deadLetters(gauge: Gauge): Promise<void>;
}

export interface StoreMetrics {
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
}

/** Label values come from the registry alone, so the number of series is known when the store is made. */
export function createStoreMetrics(metrics: Metrics, registry: FrozenRegistry, sources: GaugeSources): StoreMetrics {
  const prefix = "signalbox_event_store_";
  const events = registry.definitions.map(({ type }): Labels => ({ event: type }));
  const subscriptions = registry.subscriptions.map(({ id }): Labels => ({ subscription: id }));
  const counter = (name: string, help: string, labels: readonly string[], known?: readonly Labels[]): Counter =>
    metrics.counter({ name: prefix + name, help, labels, ...(known && { known }) });
  const histogram = (
    name: string,
    help: string,
    labels: readonly string[],
    buckets: readonly number[] = secondsBuckets,
  ): Histogram => metrics.histogram({ name: prefix + name, help, labels, buckets });

  metrics.gauge({
    name: `${prefix}deliveries`,
    help: "Unsettled deliveries.",
    labels: ["subscriber", "state"],
    collect: (gauge) => sources.deliveries(gauge),
  });
  metrics.gauge({
    name: `${prefix}oldest_ready_seconds`,
    help: "Age of the oldest delivery that could be handled now.",
    labels: ["subscriber"],
    collect: (gauge) => sources.oldestReady(gauge),
  });
  metrics.gauge({
    name: `${prefix}dead_letters`,
    help: "Dead letters that wait for an operator.",
    labels: ["subscription"],
    collect: (gauge) => sources.deadLetters(gauge),
  });

  return {
    published: counter("published_total", "Events published.", ["event"], events),
    publishSeconds: histogram("publish_seconds", "Time from publish to its durable acknowledgement.", ["event"]),
    decisions: counter("decisions_total", "Outcomes of publishing, for each subscription.", [
      "event",
      "subscription",
      "decision",
    ]),
    deliveries: counter("deliveries_total", "Ended delivery attempts.", ["subscription", "settlement"]),
    handlerSeconds: histogram("handler_seconds", "Duration of handler calls.", ["subscription", "result"]),
    queueDelaySeconds: histogram("queue_delay_seconds", "Time from due to start.", ["subscription", "urgency"]),
    lateStarts: counter("late_starts_total", "Starts later than the urgency's target.", ["subscription", "urgency"]),
    deadLetters: counter("dead_letters_total", "Deliveries given up.", ["subscription", "reason"]),
    replays: counter("replays_total", "Replayed dead letters by result.", ["subscription", "result"]),
    conditionSeconds: histogram("condition_seconds", "Duration of conditions.", ["subscription"], conditionBuckets),
    ignored: counter("ignored_total", "Runs whose handler ignored the event.", ["subscription"], subscriptions),
    rateLimited: counter("rate_limited_total", "Waits for a rate limit.", ["subscription"], subscriptions),
    transportErrors: counter("transport_errors_total", "Failed calls to the transport.", ["operation", "code"]),
    eventBytes: histogram("event_bytes", "Size of encoded events.", ["event"], byteBuckets),
  };
}
