import { migrateAnalytics } from "@signalbox/analytics";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dashed } from "../digest/user-counts.js";
import { createTestDigest, uninterrupted } from "../testing/digest.js";
import { errorPayload, newEventId, receivedEvent } from "../testing/received-event.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics } from "../testing/stores.js";
import { errorTrackingAnalytics } from "./analytics-migrations.js";

let stored: TestAnalytics;
beforeAll(async () => {
  stored = await openTestAnalytics();
});
afterAll(() => stored.close());

interface TableRow {
  readonly engine: string;
  readonly partition_key: string;
  readonly sorting_key: string;
  readonly create_table_query: string;
}

async function tableOf(name: string): Promise<TableRow> {
  const [table] = await stored.analytics.query<TableRow>(
    "SELECT engine, partition_key, sorting_key, create_table_query FROM system.tables WHERE name = {name:String}",
    { name },
  );
  if (table === undefined) throw new Error(`There is no table ${name}`);
  return table;
}

async function columnsOf(table: string): Promise<Record<string, string>> {
  const rows = await stored.analytics.query<{
    name: string;
    type: string;
    compression_codec: string;
    default_kind: string;
  }>(
    "SELECT name, type, compression_codec, default_kind FROM system.columns WHERE table = {table:String} ORDER BY position",
    { table },
  );
  return Object.fromEntries(
    rows.map((row) => [
      row.name,
      [row.type, row.compression_codec, row.default_kind].filter((part) => part !== "").join(" "),
    ]),
  );
}

const low = "LowCardinality(String)";
const zstd = "String CODEC(ZSTD(1))";
const time = "DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))";
const each = <T>(names: string, value: T): Record<string, T> =>
  Object.fromEntries(names.split(" ").map((name) => [name, value]));

test("ET-270 error_events has its engine, keys, expiry, columns and indexes", async () => {
  const table = await tableOf("error_events");
  expect(table).toMatchObject({
    engine: "ReplacingMergeTree",
    partition_key: "(retention_days, toMonday(timestamp))",
    sorting_key: "project_id, primary_hash, timestamp, event_id",
  });
  for (const part of [
    "ReplacingMergeTree(version, deleted)",
    "TTL toDateTime(timestamp) + toIntervalDay(retention_days)",
    "ttl_only_drop_parts = 1",
    "non_replicated_deduplication_window = 1000",
  ])
    expect(table.create_table_query).toContain(part);
  expect(await columnsOf("error_events")).toEqual({
    project_id: "UInt64",
    primary_hash: "UUID",
    timestamp: time,
    received_at: time,
    event_id: "UUID CODEC(NONE)",
    retention_days: "UInt16",
    version: "UInt64",
    deleted: "UInt8",
    sample_weight: "UInt32",
    grouping_version: "UInt8",
    ...each("platform level environment release dist logger server_name sdk_name sdk_version type http_method", low),
    ...each(
      "title message culprit transaction url user_id user_email user_name user_ip trace_id span_id correlation_id",
      zstd,
    ),
    user_hash: "UInt64",
    handled: "Enum8('unknown' = 0, 'yes' = 1, 'no' = 2)",
    ...each("exception_types exception_values tag_values", "Array(String)"),
    ...each("stack_files stack_functions stack_modules tag_keys", "Array(LowCardinality(String))"),
    stack_in_app: "Array(UInt8)",
    tag_hashes: "Array(UInt64) MATERIALIZED",
    attachments: "UInt8",
    processing_errors: "UInt16",
    symbolicated: "UInt8",
  });
  const indexes = await stored.analytics.query<{ expr: string; type: string }>(
    "SELECT expr, type FROM system.data_skipping_indices WHERE table = 'error_events' ORDER BY expr",
  );
  expect(indexes).toEqual([
    { expr: "correlation_id", type: "bloom_filter" },
    { expr: "event_id", type: "bloom_filter" },
    { expr: "tag_hashes", type: "bloom_filter" },
    { expr: "timestamp", type: "minmax" },
    { expr: "trace_id", type: "bloom_filter" },
  ]);
});

test("ET-271 error_payloads keeps the event apart from the columns, replaced by version", async () => {
  const table = await tableOf("error_payloads");
  expect(table).toMatchObject({
    engine: "ReplacingMergeTree",
    partition_key: "(retention_days, toMonday(timestamp))",
    sorting_key: "project_id, event_id",
  });
  for (const part of [
    "ReplacingMergeTree(version)",
    "TTL toDateTime(timestamp) + toIntervalDay(retention_days)",
    "ttl_only_drop_parts = 1",
    "index_granularity = 256",
  ])
    expect(table.create_table_query).toContain(part);
  expect(await columnsOf("error_payloads")).toEqual({
    project_id: "UInt64",
    event_id: "UUID",
    timestamp: time,
    retention_days: "UInt16",
    version: "UInt64",
    payload: "String CODEC(ZSTD(3))",
  });
});

test("ET-272 error_users holds sets per hash and day, which writing twice does not change", async () => {
  expect(await tableOf("error_users")).toMatchObject({
    engine: "AggregatingMergeTree",
    sorting_key: "project_id, primary_hash, day",
  });
  expect((await columnsOf("error_users"))["users"]).toBe("AggregateFunction(uniqCombined64(17), UInt64)");
  const rows = Array.from({ length: 500 }, (_, index) => ({
    project_id: 77,
    primary_hash: dashed("ab".repeat(16)),
    day: "2026-01-02",
    user_hash: String(BigInt(index + 1) * 0x9e3779b97f4a7c1n),
  }));
  for (let times = 0; times < 3; times++) await stored.analytics.insert("error_user_sightings", rows);
  const users = await stored.analytics.query(
    "SELECT day, uniqCombined64Merge(17)(users) AS users FROM error_users WHERE project_id = 77 GROUP BY day",
  );
  expect(users).toEqual([{ day: "2026-01-02", users: "500" }]);
});

test("error_sessions replaces by sequence number", async () => {
  expect(await tableOf("error_sessions")).toMatchObject({
    engine: "ReplacingMergeTree",
    sorting_key: "project_id, release, environment, started_hour, session_id",
  });
});

test("rows survive a power cut once they are inserted", async () => {
  for (const name of ["error_events", "error_payloads", "error_users", "error_sessions"]) {
    const { create_table_query: ddl } = await tableOf(name);
    expect([name, ddl]).toEqual([name, expect.stringMatching(/fsync_after_insert = 1.*fsync_part_directory = 1/)]);
  }
});

test("migrating again changes nothing", async () => {
  expect(await migrateAnalytics(stored.analytics, [errorTrackingAnalytics])).toEqual([]);
});

describe("rows", () => {
  test("every column is filled from its place in the event", async () => {
    const stores = await openTestDatabase();
    try {
      const { digest } = createTestDigest(stores, stored);
      const eventId = newEventId();
      const receivedAtMs = Date.now();
      const payload = {
        ...errorPayload("pay"),
        timestamp: receivedAtMs / 1000 - 5,
        platform: "python",
        level: "fatal",
        environment: "staging",
        release: "shop@1",
        dist: "42",
        logger: "shop.pay",
        server_name: "web-1",
        transaction: "POST /pay",
        message: "paying failed",
        sdk: { name: "sentry.python", version: "2.0.0" },
        request: { url: "https://shop.example/pay", method: "post" },
        user: { id: 7, email: "a@example.com", username: "ann", ip_address: "203.0.113.7" },
        contexts: { trace: { trace_id: "0123456789abcdef0123456789abcdef", span_id: "0123456789abcdef" } },
        tags: { region: "eu", correlation_id: "order-17" },
        level_of_detail: 1,
      };
      await digest.handle([receivedEvent(payload, { eventId, receivedAtMs })], uninterrupted);
      const [row] = await stored.analytics.query(
        "SELECT *, tag_hashes, cityHash64('region=eu') IN tag_hashes AS has_region FROM error_events FINAL WHERE event_id = {event:UUID}",
        { event: dashed(eventId) },
      );
      expect(row).toMatchObject({
        project_id: "1",
        timestamp: new Date(receivedAtMs - 5000).toISOString(),
        received_at: new Date(receivedAtMs).toISOString(),
        event_id: dashed(eventId),
        retention_days: 90,
        version: "1",
        deleted: 0,
        sample_weight: 1,
        grouping_version: 1,
        platform: "python",
        level: "fatal",
        environment: "staging",
        release: "shop@1",
        dist: "42",
        logger: "shop.pay",
        server_name: "web-1",
        sdk_name: "sentry.python",
        sdk_version: "2.0.0",
        type: "error",
        http_method: "POST",
        title: "ValueError: pay failed",
        message: "paying failed",
        culprit: "POST /pay",
        transaction: "POST /pay",
        url: "https://shop.example/pay",
        user_id: "7",
        user_email: "a@example.com",
        user_name: "ann",
        user_ip: "203.0.113.7",
        trace_id: "0123456789abcdef0123456789abcdef",
        span_id: "0123456789abcdef",
        correlation_id: "order-17",
        handled: "unknown",
        exception_types: ["ValueError"],
        exception_values: ["pay failed"],
        stack_files: ["", ""],
        stack_functions: ["main", "pay"],
        stack_modules: ["app", "app.work"],
        stack_in_app: [1, 1],
        tag_keys: ["region", "correlation_id"],
        tag_values: ["eu", "order-17"],
        attachments: 0,
        processing_errors: 0,
        symbolicated: 0,
        has_region: 1,
      });
    } finally {
      await stores.close();
    }
  });

  test("ET-134 a platform that nobody knows is `other` in the column and itself in the payload", async () => {
    const stores = await openTestDatabase();
    try {
      const { digest } = createTestDigest(stores, stored);
      const eventId = newEventId();
      await digest.handle([receivedEvent({ ...errorPayload("a"), platform: "cobol" }, { eventId })], uninterrupted);
      const [row] = await stored.analytics.query<{ platform: string; payload: string }>(
        `SELECT platform, payload FROM error_events FINAL
        JOIN error_payloads AS p ON p.event_id = error_events.event_id WHERE event_id = {event:UUID}`,
        { event: dashed(eventId) },
      );
      expect(row?.platform).toBe("other");
      expect(JSON.parse(row?.payload ?? "{}").platform).toBe("cobol");
    } finally {
      await stores.close();
    }
  });
});
