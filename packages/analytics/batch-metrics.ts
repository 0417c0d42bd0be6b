import type { Metrics } from "@signalbox/kernel";

export interface BatchMetrics {
  batch(rows: number): void;
  retried(): void;
  pendingRows(rows: number): void;
}

export function createBatchMetrics(metrics: Metrics, table: string): BatchMetrics {
  const labels = { table };
  const rows = metrics.histogram({
    name: "signalbox_analytics_batch_rows",
    help: "Rows of the batches that were inserted.",
    labels: ["table"],
    known: [labels],
    buckets: [1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000],
  });
  const retries = metrics.counter({
    name: "signalbox_analytics_batch_retries_total",
    help: "Inserts of batches that failed and were repeated.",
    labels: ["table"],
    known: [labels],
  });
  const pending = metrics.gauge({
    name: "signalbox_analytics_batch_pending_rows",
    help: "Rows that were accepted and wait for their insert.",
    labels: ["table"],
    known: [labels],
  });
  return {
    batch: (count) => rows.observe(count, labels),
    retried: () => retries.add(1, labels),
    pendingRows: (count) => pending.set(count, labels),
  };
}
