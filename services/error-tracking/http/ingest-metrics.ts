import type { Metrics } from "@signalbox/kernel";

export interface IngestMetrics {
  requestDone(route: string, status: number, seconds: number): void;
  published(route: string, seconds: number): void;
  /** Shows at each scrape how long the first event in the line has waited. */
  observeWait(seconds: () => number): void;
  requestBytes(route: string, bytes: number): void;
  envelopeBytes(route: string, bytes: number): void;
  rateLimited(scope: string, category: string, reason: string, quantity: number): void;
}

const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const sizeBuckets = [1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 268435456];

export function createIngestMetrics(metrics: Metrics): IngestMetrics {
  const name = (suffix: string): string => `signalbox_error_tracking_${suffix}`;
  const requests = metrics.counter({
    name: name("requests_total"),
    help: "Ingest requests by route and status.",
    labels: ["route", "status"],
    known: [{ route: "envelope", status: "200" }],
  });
  const duration = metrics.histogram({
    name: name("ingest_duration_seconds"),
    help: "Time from an ingest request's headers to its answer.",
    labels: ["route"],
    buckets: durationBuckets,
  });
  const publish = metrics.histogram({
    name: name("publish_duration_seconds"),
    help: "Time until an event was durable in the transport.",
    labels: ["route"],
    buckets: durationBuckets,
  });
  const request = metrics.histogram({
    name: name("request_bytes"),
    help: "Size of ingest bodies as sent.",
    labels: ["route"],
    buckets: sizeBuckets,
  });
  const envelope = metrics.histogram({
    name: name("envelope_bytes"),
    help: "Size of ingest bodies after decompression.",
    labels: ["route"],
    buckets: sizeBuckets,
  });
  const limited = metrics.counter({
    name: name("rate_limited_total"),
    help: "Requests and items refused because there were too many.",
    labels: ["scope", "category", "reason"],
    known: [
      { scope: "organization", category: "error", reason: "backpressure" },
      { scope: "organization", category: "error", reason: "disk" },
      { scope: "project", category: "error", reason: "quota" },
      { scope: "key", category: "error", reason: "quota" },
    ],
  });
  return {
    requestDone(route, status, seconds) {
      requests.add(1, { route, status: String(status) });
      duration.observe(seconds, { route });
    },
    observeWait(seconds) {
      metrics.gauge({
        name: name("publish_wait_seconds"),
        help: "How long the oldest event that the transport has not taken yet has been waiting.",
        collect: (gauge) => gauge.set(seconds()),
      });
    },
    published: (route, seconds) => publish.observe(seconds, { route }),
    requestBytes: (route, bytes) => request.observe(bytes, { route }),
    envelopeBytes: (route, bytes) => envelope.observe(bytes, { route }),
    rateLimited: (scope, category, reason, quantity) => limited.add(quantity, { scope, category, reason }),
  };
}
