import type { AnalyticsMigrationSet } from "@signalbox/analytics";

const ttl = "TTL toDateTime(timestamp) + toIntervalDay(retention_days)";
const partition = "PARTITION BY (retention_days, toMonday(timestamp))";
const bloom = "TYPE bloom_filter(0.01) GRANULARITY 1";
const lowText = "LowCardinality(String)";
const text = "String CODEC(ZSTD(1))";
const time = "DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))";

/** One row for each event that is kept; a newer version of a row replaces it, a deleted one hides it. */
const errorEvents = `
  CREATE TABLE IF NOT EXISTS error_events (
    project_id UInt64,
    primary_hash UUID,
    timestamp ${time},
    received_at ${time},
    event_id UUID CODEC(NONE),
    retention_days UInt16,
    version UInt64,
    deleted UInt8,
    sample_weight UInt32,
    grouping_version UInt8,
    platform ${lowText},
    level ${lowText},
    environment ${lowText},
    release ${lowText},
    dist ${lowText},
    logger ${lowText},
    server_name ${lowText},
    sdk_name ${lowText},
    sdk_version ${lowText},
    type ${lowText},
    http_method ${lowText},
    title ${text},
    message ${text},
    culprit ${text},
    transaction ${text},
    url ${text},
    user_id ${text},
    user_email ${text},
    user_name ${text},
    user_ip ${text},
    trace_id ${text},
    span_id ${text},
    correlation_id ${text},
    user_hash UInt64,
    handled Enum8('unknown' = 0, 'yes' = 1, 'no' = 2),
    exception_types Array(String),
    exception_values Array(String),
    stack_files Array(${lowText}),
    stack_functions Array(${lowText}),
    stack_modules Array(${lowText}),
    stack_in_app Array(UInt8),
    tag_keys Array(${lowText}),
    tag_values Array(String),
    tag_hashes Array(UInt64) MATERIALIZED
      arrayMap((key, value) -> cityHash64(concat(key, '=', value)), tag_keys, tag_values),
    attachments UInt8,
    processing_errors UInt16,
    symbolicated UInt8,
    INDEX by_tag tag_hashes ${bloom},
    INDEX by_event event_id ${bloom},
    INDEX by_trace trace_id ${bloom},
    INDEX by_correlation correlation_id ${bloom},
    INDEX by_time timestamp TYPE minmax GRANULARITY 1
  )
  ENGINE = ReplacingMergeTree(version, deleted)
  ${partition}
  ORDER BY (project_id, primary_hash, timestamp, event_id)
  ${ttl}
  SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000`;

/** The whole event as JSON, apart from the columns, so that a scan never reads it. */
const errorPayloads = `
  CREATE TABLE IF NOT EXISTS error_payloads (
    project_id UInt64,
    event_id UUID,
    timestamp ${time},
    retention_days UInt16,
    version UInt64,
    payload String CODEC(ZSTD(3))
  )
  ENGINE = ReplacingMergeTree(version)
  ${partition}
  ORDER BY (project_id, event_id)
  ${ttl}
  SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000, index_granularity = 256`;

/** Distinct users for each hash and day: sets, so that writing one twice changes nothing. */
const errorUsers = `
  CREATE TABLE IF NOT EXISTS error_users (
    project_id UInt64,
    primary_hash UUID,
    day Date,
    users AggregateFunction(uniqCombined64(17), UInt64)
  )
  ENGINE = AggregatingMergeTree
  ORDER BY (project_id, primary_hash, day)`;

/** Where users are written: keeps nothing, the view turns the rows into sets. */
const errorUserSightings = `
  CREATE TABLE IF NOT EXISTS error_user_sightings (
    project_id UInt64,
    primary_hash UUID,
    day Date,
    user_hash UInt64
  )
  ENGINE = Null`;

const errorUsersView = `
  CREATE MATERIALIZED VIEW IF NOT EXISTS error_users_view TO error_users AS
  SELECT project_id, primary_hash, day, uniqCombined64State(17)(user_hash) AS users
  FROM error_user_sightings
  GROUP BY project_id, primary_hash, day`;

/** Sessions; the highest sequence number of one session is its state. */
const errorSessions = `
  CREATE TABLE IF NOT EXISTS error_sessions (
    project_id UInt64,
    release ${lowText},
    environment ${lowText},
    started_hour DateTime('UTC'),
    session_id UUID,
    seq UInt64,
    user_hash UInt64,
    status Enum8('ok' = 0, 'exited' = 1, 'errored' = 2, 'crashed' = 3, 'abnormal' = 4),
    errors UInt32,
    duration Float64,
    quantity UInt32,
    retention_days UInt16
  )
  ENGINE = ReplacingMergeTree(seq)
  PARTITION BY (retention_days, toMonday(started_hour))
  ORDER BY (project_id, release, environment, started_hour, session_id)
  TTL started_hour + toIntervalDay(retention_days)
  SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000`;

/**
 * An event counts as stored once its rows are inserted, and its message is deleted then: the rows must survive a power
 * cut as the message did.
 */
const durable = ["error_events", "error_payloads", "error_users", "error_sessions"].map(
  (table) => `ALTER TABLE ${table} MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1`,
);

export const errorTrackingAnalytics: AnalyticsMigrationSet = {
  name: "error-tracking",
  migrations: [
    { name: "0001_events", statements: [errorEvents, errorPayloads] },
    { name: "0002_users", statements: [errorUsers, errorUserSightings, errorUsersView] },
    { name: "0003_sessions", statements: [errorSessions] },
    { name: "0004_durable", statements: durable },
  ],
};
