import type { Counter, Histogram, Metrics } from "@signalbox/kernel";

export interface CallMetrics {
  readonly calls: Counter;
  readonly durations: Histogram;
  readonly insertedRows: Counter;
}

const kinds = ["query", "insert", "command", "ping"];

export function createCallMetrics(metrics: Metrics): CallMetrics {
  return {
    calls: metrics.counter({
      name: "signalbox_analytics_calls_total",
      help: "Calls to the analytics engine by outcome: ok or the error code.",
      labels: ["call", "outcome"],
      known: kinds.map((call) => ({ call, outcome: "ok" })),
    }),
    durations: metrics.histogram({
      name: "signalbox_analytics_call_duration_seconds",
      help: "Duration of calls to the analytics engine, waiting in line included.",
      labels: ["call"],
      known: kinds.map((call) => ({ call })),
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    }),
    insertedRows: metrics.counter({
      name: "signalbox_analytics_inserted_rows_total",
      help: "Rows that the analytics engine acknowledged.",
    }),
  };
}
