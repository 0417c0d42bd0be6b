import type { AnalyticsMigrationSet } from "@signalbox/analytics";

const bloom = "TYPE bloom_filter(0.01) GRANULARITY 1";
const lowText = "LowCardinality(String)";
const text = "String CODEC(ZSTD(1))";
const time = "DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))";
const settings = "SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000";

function table(name: string, columns: string, timeColumn: string): string {
  return `
  CREATE TABLE IF NOT EXISTS ${name} (${columns})
  ENGINE = MergeTree
  PARTITION BY (retention_days, toMonday(${timeColumn}))
  ORDER BY (${timeColumn}, event_id)
  TTL toDateTime(${timeColumn}) + toIntervalDay(retention_days)
  ${settings}`;
}

/** One row for each publish; the arrays run in parallel. */
const dispatches = table(
  "event_dispatches",
  `
    published_at ${time},
    event_id ${text},
    event_type ${lowText},
    subject ${text},
    correlation_id ${text},
    causation_id ${text},
    root_caller ${lowText},
    subscriptions Array(${lowText}),
    decisions Array(${lowText}),
    condition_us Array(Float64),
    due_at Array(DateTime64(3, 'UTC')),
    delivery_ids Array(String),
    retention_days UInt16,
    INDEX by_event event_id ${bloom},
    INDEX by_cause causation_id ${bloom},
    INDEX by_correlation correlation_id ${bloom}
  `,
  "published_at",
);

/** One row for each attempt to handle one event. */
const attempts = table(
  "event_attempts",
  `
    started_at ${time},
    finished_at ${time},
    event_id ${text},
    event_type ${lowText},
    subscription ${lowText},
    delivery_id ${text},
    correlation_id ${text},
    attempt UInt32,
    settlement ${lowText},
    scheduling_latency_ms Float64,
    duration_ms Float64,
    error_class ${lowText},
    error_code ${lowText},
    error_message ${text},
    ignored UInt8,
    worker ${lowText},
    retention_days UInt16,
    INDEX by_event event_id ${bloom},
    INDEX by_correlation correlation_id ${bloom}
  `,
  "finished_at",
);

/** The dispatch log: who got what, why not, and how long it took. */
export const eventsAnalytics: AnalyticsMigrationSet = {
  name: "events",
  migrations: [{ name: "0001_dispatch_log", statements: [dispatches, attempts] }],
};
