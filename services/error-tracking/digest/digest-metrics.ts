import { type Metrics, noMetrics } from "@signalbox/kernel";
import { type CountedChange, createIssueMetrics } from "../issues/issue-metrics.js";

/** Stages of the digest in their order; a crash between any two of them must lose and double nothing. */
export const digestSteps = ["prepare", "count", "insert_payloads", "insert_events", "insert_users", "settle"] as const;
export type DigestStep = (typeof digestSteps)[number];

export interface DigestMetrics {
  batch(events: number): void;
  step(step: DigestStep, seconds: number): void;
  visible(delaySeconds: number): void;
  grouped(strategy: string, version: number): void;
  issues(change: CountedChange, quantity: number): void;
  inserted(table: string, rows: number, seconds: number): void;
  insertFailed(table: string, seconds: number): void;
}

const stepBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];
const delayBuckets = [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 3600];
const batchBuckets = [1, 5, 10, 25, 50, 100, 250, 500, 1000];
const tables = ["error_events", "error_payloads", "error_user_sightings"];

export function createDigestMetrics(metrics: Metrics = noMetrics): DigestMetrics {
  const name = (suffix: string): string => `signalbox_error_tracking_${suffix}`;
  const batches = metrics.histogram({
    name: name("digest_batch_events"),
    help: "Events in one digested batch.",
    buckets: batchBuckets,
  });
  const durations = metrics.histogram({
    name: name("digest_duration_seconds"),
    help: "Time that a batch spent in one step of the digest.",
    labels: ["step"],
    known: digestSteps.map((step) => ({ step })),
    buckets: stepBuckets,
  });
  const visible = metrics.histogram({
    name: name("visible_delay_seconds"),
    help: "Time from an event's receipt until it can be queried.",
    buckets: delayBuckets,
  });
  const issues = createIssueMetrics(metrics);
  const grouping = metrics.counter({
    name: name("grouping_total"),
    help: "Events by what they were grouped by.",
    labels: ["strategy", "version"],
  });
  const inserts = metrics.counter({
    name: name("inserts_total"),
    help: "Inserts into the analytics engine.",
    labels: ["table", "result"],
    known: tables.map((table) => ({ table, result: "ok" })),
  });
  const insertRows = metrics.counter({
    name: name("insert_rows_total"),
    help: "Rows inserted into the analytics engine.",
    labels: ["table", "result"],
    known: tables.map((table) => ({ table, result: "ok" })),
  });
  const insertDurations = metrics.histogram({
    name: name("insert_duration_seconds"),
    help: "Time of one insert into the analytics engine.",
    labels: ["table", "result"],
    known: tables.map((table) => ({ table, result: "ok" })),
    buckets: stepBuckets,
  });
  return {
    batch: (events) => batches.observe(events),
    step: (step, seconds) => durations.observe(seconds, { step }),
    visible: (delaySeconds) => visible.observe(delaySeconds),
    grouped: (strategy, version) => grouping.add(1, { strategy, version: String(version) }),
    issues,
    inserted(table, rows, seconds) {
      inserts.add(1, { table, result: "ok" });
      insertRows.add(rows, { table, result: "ok" });
      insertDurations.observe(seconds, { table, result: "ok" });
    },
    insertFailed(table, seconds) {
      inserts.add(1, { table, result: "error" });
      insertDurations.observe(seconds, { table, result: "error" });
    },
  };
}
