import type { Counter, Labels, Metrics } from "@signalbox/kernel";
import type { Route } from "./route.js";

/** What the server counts about requests. Labels hold route patterns, never paths. */
export interface HttpMetrics {
  requestDone(route: Route, method: string, status: number, seconds: number, correlationId: string): void;
  /** A route that exists is shown at 0 before its first request. */
  routeKnown(route: Route, method: string): void;
  readonly rateLimited: Counter;
  readonly refusedConnections: Counter;
}

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

const rateLimitKinds = ["address", "token", "failed_login"] as const;

export function createHttpMetrics(metrics: Metrics, refusalReasons: readonly string[]): HttpMetrics {
  const requests = metrics.counter({
    name: "signalbox_http_requests_total",
    help: "HTTP requests answered, by route pattern; status 499 when the client went away before the answer was out.",
    labels: ["route", "method", "status"],
    maxSeries: 5000,
  });
  const duration = metrics.histogram({
    name: "signalbox_http_request_duration_seconds",
    help: "Time from the first byte of a request's headers to the last byte of its answer.",
    labels: ["route", "method"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    maxSeries: 1000,
  });
  // Label objects are made once: the metrics find the samples of a frozen object without looking at its values.
  const cache = new WeakMap<Route, Map<string, MethodLabels>>();
  const labelsOf = (route: Route, method: string): MethodLabels => {
    let byMethod = cache.get(route);
    if (byMethod === undefined) {
      byMethod = new Map();
      cache.set(route, byMethod);
    }
    // Methods are the client's to choose.
    const known = methods.has(method) ? method : "other";
    let labels = byMethod.get(known);
    if (labels === undefined) {
      labels = { duration: Object.freeze({ route: route.pattern, method: known }), byStatus: new Map() };
      byMethod.set(known, labels);
    }
    return labels;
  };
  const withStatus = (labels: MethodLabels, status: number): Labels => {
    let found = labels.byStatus.get(status);
    if (found === undefined) {
      found = Object.freeze({ ...labels.duration, status: String(status) });
      labels.byStatus.set(status, found);
    }
    return found;
  };

  return {
    requestDone(route, method, status, seconds, correlationId) {
      const labels = labelsOf(route, method);
      requests.add(1, withStatus(labels, status));
      duration.observe(seconds, labels.duration, { correlation_id: correlationId });
    },
    routeKnown(route, method) {
      requests.add(0, withStatus(labelsOf(route, method), 200));
    },
    rateLimited: metrics.counter({
      name: "signalbox_http_rate_limited_total",
      help: "Requests refused with 429, by the limit that they met.",
      labels: ["by"],
      known: rateLimitKinds.map((by) => ({ by })),
    }),
    refusedConnections: metrics.counter({
      name: "signalbox_http_refused_connections_total",
      help: "Connections closed because what arrived on them was not an acceptable HTTP request.",
      labels: ["reason"],
      known: refusalReasons.map((reason) => ({ reason })),
    }),
  };
}

interface MethodLabels {
  readonly duration: Labels;
  readonly byStatus: Map<number, Labels>;
}
