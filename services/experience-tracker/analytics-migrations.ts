import type { AnalyticsMigrationSet } from "@signalbox/analytics";

const lowText = "LowCardinality(String)";
const time = "DateTime64(3, 'UTC')";
const settings = "SETTINGS non_replicated_deduplication_window = 1000";

/** Every recorded checkpoint; a repetition replaces it. */
const checkpoints = `
  CREATE TABLE IF NOT EXISTS experience_checkpoints (
    tenant ${lowText},
    correlation_id String,
    covered_experience_id ${lowText},
    run String,
    event_id String,
    checkpoint ${lowText},
    checkpoint_category ${lowText},
    type ${lowText},
    feature_category ${lowText},
    urgency ${lowText},
    client_timestamp ${time},
    server_timestamp ${time},
    occurred_at ${time},
    sequence Nullable(UInt32),
    applied Bool,
    outcome ${lowText},
    error_message String,
    discard_reason ${lowText},
    anomalies Array(${lowText}),
    meta Map(${lowText}, String),
    producer ${lowText},
    definition_version ${lowText},
    inserted_at ${time},
    INDEX by_ambient meta['ambient_correlation_id'] TYPE bloom_filter(0.01) GRANULARITY 1
  )
  ENGINE = ReplacingMergeTree(inserted_at)
  PARTITION BY toYYYYMM(server_timestamp)
  ORDER BY (tenant, correlation_id, covered_experience_id, run, event_id)
  ${settings}`;

/** One row for each verdict; what comes later, as a late end, replaces it. */
const verdicts = `
  CREATE TABLE IF NOT EXISTS experience_verdicts (
    tenant ${lowText},
    correlation_id String,
    covered_experience_id ${lowText},
    run String,
    feature_category ${lowText},
    urgency ${lowText},
    type ${lowText},
    state ${lowText},
    reason ${lowText},
    error Bool,
    apdex_success Nullable(Bool),
    started_at Nullable(${time}),
    ended_at Nullable(${time}),
    verdict_at ${time},
    decided_at ${time},
    elapsed_s Nullable(Float64),
    threshold_s Nullable(Float64),
    timeout_s Nullable(Float64),
    last_category ${lowText},
    last_type ${lowText},
    checkpoint_count UInt32,
    anomalies Array(${lowText}),
    late_end_at Nullable(${time}),
    late_end_outcome ${lowText},
    lateness_s Nullable(Float64),
    discard_reason ${lowText},
    in_measurement_gap Bool,
    definition_version ${lowText},
    inserted_at ${time},
    INDEX by_correlation correlation_id TYPE bloom_filter(0.01) GRANULARITY 1
  )
  ENGINE = ReplacingMergeTree(inserted_at)
  PARTITION BY toYYYYMM(verdict_at)
  ORDER BY (tenant, covered_experience_id, toDate(verdict_at), correlation_id, run)
  ${settings}`;

/** Whether reports know of it; not where its producer was not believed. */
const counted = "ALTER TABLE experience_verdicts ADD COLUMN IF NOT EXISTS counted Bool DEFAULT true";

/** Times in which checkpoints could not arrive. */
const gaps = `
  CREATE TABLE IF NOT EXISTS experience_gaps (
    from ${time},
    to ${time},
    reason ${lowText},
    replica String
  )
  ENGINE = ReplacingMergeTree
  ORDER BY (from, to, reason)
  ${settings}`;

/** Whose checkpoints were missing, where it were not everybody's. */
const silences = `ALTER TABLE experience_gaps
  ADD COLUMN IF NOT EXISTS tenant ${lowText},
  ADD COLUMN IF NOT EXISTS producer String,
  ADD COLUMN IF NOT EXISTS types Array(${lowText})`;

export const experienceAnalytics: AnalyticsMigrationSet = {
  name: "experience",
  migrations: [
    { name: "0001_history", statements: [checkpoints, verdicts, gaps] },
    { name: "0002_counted", statements: [counted] },
    { name: "0003_silences", statements: [silences] },
  ],
};

/** Statements that set how long history is kept. Rows go with later merges. */
export function retentionStatements(days: number): readonly string[] {
  const keep = (table: string, column: string): string =>
    `ALTER TABLE ${table} MODIFY TTL toDateTime(${column}) + toIntervalDay(${days}) SETTINGS materialize_ttl_after_modify = 0`;
  return [
    keep("experience_checkpoints", "server_timestamp"),
    keep("experience_verdicts", "verdict_at"),
    keep("experience_gaps", "to"),
  ];
}
