import type { Counter, Labels, Metrics } from "@signalbox/kernel";
import type { Route } from "./route.js";

/** What the server counts about requests. Labels hold route patterns, never paths. */
export interface HttpMetrics {
  requestDone(route: Route, method: string, status: string, seconds: number, correlationId: string): void;
  /** A route that exists is shown at 0 before its first request. */
  routeKnown(route: Route, method: string): void;
  readonly rateLimited: Counter;
  readonly refusedConnections: Counter;
}

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

export const rateLimitKinds = ["address", "token", "failed_login"] as const;

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
  // Label objects are made once for each route, method and status.
  const cache = new WeakMap<Route, Map<string, { readonly request: Labels; readonly duration: Labels }>>();
  const labelsOf = (route: Route, method: string, status: string): { request: Labels; duration: Labels } => {
    let byKey = cache.get(route);
    if (byKey === undefined) {
      byKey = new Map();
      cache.set(route, byKey);
    }
    const key = method + status;
    let labels = byKey.get(key);
    if (labels === undefined) {
      const common = { route: route.pattern, method: methods.has(method) ? method : "other" };
      labels = { request: Object.freeze({ ...common, status }), duration: Object.freeze(common) };
      // Methods are the client's to choose; what is not a usual one is not kept.
      if (methods.has(method)) byKey.set(key, labels);
    }
    return labels;
  };

  return {
    requestDone(route, method, status, seconds, correlationId) {
      const labels = labelsOf(route, method, status);
      requests.add(1, labels.request);
      duration.observe(seconds, labels.duration, { correlation_id: correlationId });
    },
    routeKnown(route, method) {
      requests.add(0, labelsOf(route, method, "200").request);
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
