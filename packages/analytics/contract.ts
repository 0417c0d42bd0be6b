import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Analytics } from "./analytics.js";
import { createBatchWriter } from "./batch-writer.js";
import { encodeRows, joinRows } from "./encode-rows.js";
import { AnalyticsError } from "./errors.js";
import { migrateAnalytics } from "./migrate.js";

/** A new, empty engine on the adapter under test. */
export interface AnalyticsUnderTest {
  readonly analytics: Analytics;
  /** Closes the connection and opens one on the same data. */
  reopen(): Promise<Analytics>;
  /** Ends the engine as `kill -9` does, and opens a connection on the same data. */
  crash(): Promise<Analytics>;
  /** Closes everything and removes the data. */
  destroy(): Promise<void>;
}

export interface AnalyticsContractOptions {
  readonly name: string;
  create(): Promise<AnalyticsUnderTest>;
  /** Promises that this adapter's suite shows elsewhere or that it does not make. */
  readonly cannot?: readonly "crash alone"[];
}

/** Names tables, so that tests of one suite do not meet. */
let tables = 0;

/** Every promise of the `Analytics` port, as tests. An adapter's test file calls it first. */
export function describeAnalytics({ name, create, cannot = [] }: AnalyticsContractOptions): void {
  describe(`PF-066 ${name} keeps the promises of the analytics port`, () => {
    let subject: AnalyticsUnderTest;
    let analytics: Analytics;
    beforeAll(async () => {
      subject = await create();
      analytics = subject.analytics;
    });
    afterAll(() => subject.destroy());

    const createTable = async (
      columns: string,
      engine = "MergeTree ORDER BY tuple() SETTINGS non_replicated_deduplication_window = 100",
    ): Promise<string> => {
      const table = `contract_${++tables}`;
      await analytics.command(`CREATE TABLE ${table} (${columns}) ENGINE = ${engine}`);
      return table;
    };
    const count = async (table: string, from: Analytics = analytics): Promise<number> => {
      const [row] = await from.query<{ rows: string }>(`SELECT count() AS rows FROM ${table}`);
      return Number(row?.rows);
    };

    describe("values", () => {
      test.each<[string, string, unknown, unknown?]>([
        ["UInt64 as a decimal string", "UInt64", "18446744073709551615"],
        ["UInt64 from a bigint", "UInt64", 18446744073709551615n, "18446744073709551615"],
        ["Int64", "Int64", "-9223372036854775808"],
        ["UInt32 as a number", "UInt32", 4294967295],
        ["Float64", "Float64", 0.1],
        ["Bool", "Bool", true],
        ["UUID", "UUID", "61f0c404-5cb3-4e79-907b-a6006ad3dba0"],
        ["DateTime64(3) as ISO 8601", "DateTime64(3, 'UTC')", "2026-01-02T03:04:05.678Z"],
        ["DateTime64(3) from a Date", "DateTime64(3, 'UTC')", new Date(1767323045678), "2026-01-02T03:04:05.678Z"],
        ["DateTime64(3) of another zone", "DateTime64(3)", "2026-01-02T03:04:05.678+02:00", "2026-01-02T01:04:05.678Z"],
        ["DateTime", "DateTime", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05Z"],
        ["Date", "Date", "2026-01-02"],
        ["LowCardinality(String)", "LowCardinality(String)", "production"],
        ["Enum8", "Enum8('unknown' = 0, 'yes' = 1, 'no' = 2)", "no"],
        ["Array(String)", "Array(String)", ["a", "", "it's", "back\\slash", "line\nbreak"]],
        ["Array(LowCardinality(String))", "Array(LowCardinality(String))", ["x", "x"]],
        ["Array(UInt64)", "Array(UInt64)", ["0", "18446744073709551615"]],
        ["Nullable(String)", "Nullable(String)", null],
        ["Map", "Map(String, UInt64)", { a: "1" }],
        ["text with quotes, NUL and an emoji", "String", 'it\'s "quoted" \\ \0 \t \n 🧭 ünïcode'],
        ["text that looks like a placeholder", "String", "{name:String} ; DROP TABLE x; -- "],
        ["a lone surrogate as U+FFFD", "String", "broken \ud83d text \\ud83d", "broken \ufffd text \\ud83d"],
        ["text of 2 MB", "String", "ü".repeat(1_000_000)],
      ])("%s comes back as it was inserted", async (_, type, value, expected = value) => {
        const table = await createTable(`value ${type}`);
        await analytics.insert(table, [{ value }]);
        expect(await analytics.query(`SELECT value FROM ${table}`)).toEqual([{ value: expected }]);
      });

      test("numbers that JSON does not know come back as null", async () => {
        expect(await analytics.query("SELECT nan AS a, inf AS b, toNullable(1.5) AS c")).toEqual([
          { a: null, b: null, c: 1.5 },
        ]);
      });

      test("a missing column gets its default", async () => {
        const table = await createTable("a UInt32, b String DEFAULT concat('a is ', toString(a)), c Array(String)");
        await analytics.insert(table, [{ a: 7 }]);
        expect(await analytics.query(`SELECT * FROM ${table}`)).toEqual([{ a: 7, b: "a is 7", c: [] }]);
      });
    });

    describe("parameters", () => {
      test.each<[string, string, unknown, unknown?]>([
        ["text", "String", 'it\'s "quoted" \\ \t \n \r 🧭 {other:String}'],
        ["text that tries to end the statement", "String", "'; DROP TABLE contract_1; SELECT '"],
        ["text that tries it with a backslash", "String", "\\'; DROP TABLE contract_1; --"],
        ["empty text", "String", ""],
        ["text that means null elsewhere", "String", "NULL"],
        ["UInt64", "UInt64", 18446744073709551615n, "18446744073709551615"],
        ["a number", "Int32", -5],
        ["null", "Nullable(String)", null],
        ["UUID", "UUID", "61f0c404-5cb3-4e79-907b-a6006ad3dba0"],
        ["a Date as DateTime64", "DateTime64(3)", new Date(1767323045678), "2026-01-02T03:04:05.678Z"],
        ["a Date as DateTime", "DateTime", new Date(1767323045678), "2026-01-02T03:04:05Z"],
        ["a Date as Date", "Date", new Date(1767323045678), "2026-01-02"],
        ["ISO 8601 as DateTime64", "DateTime64(3)", "2026-01-02T03:04:05.678Z"],
        ["an array of texts", "Array(String)", ["it's", "a\\b", "c\nd", "", "]'; DROP TABLE contract_1"]],
        ["an array of UUIDs", "Array(UUID)", ["61f0c404-5cb3-4e79-907b-a6006ad3dba0"]],
        ["an empty array", "Array(UInt64)", []],
        ["an array of times", "Array(DateTime64(3))", [new Date(0)], ["1970-01-01T00:00:00.000Z"]],
      ])("%s arrives as a value", async (_, type, value, expected = value) => {
        expect(await analytics.query(`SELECT {value:${type}} AS value`, { value })).toEqual([{ value: expected }]);
      });

      test("a list of 20,000 ids is not too long", async () => {
        const ids = Array.from(
          { length: 20_000 },
          (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
        );
        const [row] = await analytics.query(
          "SELECT length({ids:Array(UUID)}) AS length, {ids:Array(UUID)}[20000] AS last",
          {
            ids,
          },
        );
        expect(row).toEqual({ length: "20000", last: ids.at(-1) });
      });

      test("concurrent statements keep their values apart", async () => {
        const answers = await Promise.all(
          Array.from({ length: 100 }, (_, index) =>
            analytics.query("SELECT {text:String} AS text, {number:UInt32} AS number, sleepEachRow(0.001) AS slept", {
              text: `text ${index}`,
              number: index,
            }),
          ),
        );
        expect(answers).toEqual(answers.map((_, index) => [{ text: `text ${index}`, number: index, slept: 0 }]));
      });

      test("a placeholder without a value is refused, also after a statement that had one of this name", async () => {
        await analytics.query("SELECT {left_over:String} AS value", { left_over: "secret" });
        await expect(analytics.query("SELECT {left_over:String} AS value")).rejects.toMatchObject({
          code: "ANALYTICS_QUERY_FAILED",
          retryable: false,
          details: { parameter: "left_over" },
        });
      });

      test("a value that does not fit its type is refused", async () => {
        await expect(analytics.query("SELECT {value:UInt8} AS value", { value: "1 OR 1" })).rejects.toMatchObject({
          code: "ANALYTICS_QUERY_FAILED",
        });
      });

      test("commands take parameters", async () => {
        const table = await createTable("a String");
        await analytics.insert(table, [{ a: "it's" }, { a: "stays" }]);
        await analytics.command(`DELETE FROM ${table} WHERE a = {a:String}`, { params: { a: "it's" } });
        expect(await analytics.query(`SELECT a FROM ${table}`)).toEqual([{ a: "stays" }]);
      });
    });

    describe("inserts", () => {
      test("PF-062 a repeated insert with the same token changes nothing, with another or none it adds", async () => {
        const table = await createTable("a UInt32");
        await analytics.insert(table, [{ a: 1 }], { deduplicationToken: "one" });
        await analytics.insert(table, [{ a: 1 }], { deduplicationToken: "one" });
        expect(await count(table)).toBe(1);
        await analytics.insert(table, [{ a: 1 }], { deduplicationToken: "it's \\ another" });
        expect(await count(table)).toBe(2);
        await analytics.insert(table, [{ a: 1 }]);
        await analytics.insert(table, [{ a: 1 }]);
        expect(await count(table)).toBe(4);
      });

      test("no rows do nothing", async () => {
        const table = await createTable("a UInt32");
        await analytics.insert(table, []);
        expect(await count(table)).toBe(0);
      });

      test("rows that were encoded before are inserted as they are", async () => {
        const table = await createTable("a UInt32");
        await analytics.insert(table, joinRows([await encodeRows([{ a: 1 }, { a: 2 }]), await encodeRows([{ a: 3 }])]));
        expect(await analytics.query(`SELECT a FROM ${table} ORDER BY a`)).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }]);
      });

      test.each<[string, object]>([
        ["text for a number", { a: "many" }],
        ["a number out of range in text", { a: "-1" }],
        ["an unknown column", { a: 1, unknown: 2 }],
        ["an unknown element of an enum", { a: 1, e: "maybe" }],
        ["no UUID", { a: 1, id: "nonsense" }],
        ["no time", { a: 1, t: "yesterday" }],
        ["an array for a text", { a: 1, s: ["x"] }],
        ["no object", [1]],
        ["a value that JSON cannot hold", Object.assign({}, { a: 1, self: undefined }, { toJSON: () => undefined })],
      ])("a row with %s is refused, for good, and none of its batch is there", async (_, row) => {
        const table = await createTable(
          "a UInt32, e Enum8('yes' = 1), id UUID, t DateTime64(3, 'UTC'), s Array(UInt8)",
        );
        const refused = row;
        await expect(analytics.insert(table, [{ a: 1 }, refused, { a: 2 }])).rejects.toMatchObject({
          name: "AnalyticsError",
          code: "ANALYTICS_INSERT_REFUSED",
          retryable: false,
        });
        expect(await count(table)).toBe(0);
        await analytics.insert(table, [{ a: 3 }]);
        expect(await count(table)).toBe(1);
      });

      test("a missing table is no fault of the rows", async () => {
        await expect(analytics.insert("no_such_table", [{ a: 1 }])).rejects.toMatchObject({
          code: "ANALYTICS_UNAVAILABLE",
          retryable: true,
        });
      });

      test("a table's name is a name", async () => {
        await expect(analytics.insert("t (a) VALUES (1); --", [{ a: 1 }])).rejects.toMatchObject({
          code: "ANALYTICS_QUERY_FAILED",
        });
      });

      test("aggregate states are written through a Null table and a view, also when the insert is repeated", async () => {
        const states = await createTable(
          "project_id UInt64, day Date, users AggregateFunction(uniqCombined64(17), UInt64)",
          "AggregatingMergeTree ORDER BY (project_id, day)",
        );
        const entrance = await createTable("project_id UInt64, day Date, user UInt64", "Null");
        await analytics.command(
          `CREATE MATERIALIZED VIEW ${entrance}_view TO ${states} AS
           SELECT project_id, day, uniqCombined64State(17)(user) AS users FROM ${entrance} GROUP BY project_id, day`,
        );
        const rows = ["5", "18446744073709551615", "5"].map((user) => ({ project_id: "1", day: "2026-01-02", user }));
        await analytics.insert(entrance, rows, { deduplicationToken: "states" });
        await analytics.insert(entrance, rows, { deduplicationToken: "states" });
        await analytics.insert(entrance, [{ project_id: "1", day: "2026-01-03", user: "6" }]);
        expect(
          await analytics.query(
            `SELECT project_id, uniqCombined64Merge(17)(users) AS users FROM ${states} GROUP BY project_id`,
          ),
        ).toEqual([{ project_id: "1", users: "3" }]);
      });
    });

    describe("tables", () => {
      test("PF-062 the tables of error events work: codecs, indexes, TTL, replacing and deleting by version", async () => {
        const table = await createTable(
          `project_id UInt64, primary_hash UUID, timestamp DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
           event_id UUID CODEC(NONE), retention_days UInt16, version UInt64, deleted UInt8,
           title String CODEC(ZSTD(1)), handled Enum8('unknown' = 0, 'yes' = 1, 'no' = 2),
           tag_keys Array(LowCardinality(String)), tag_values Array(String),
           tag_hashes Array(UInt64) MATERIALIZED arrayMap((k, v) -> cityHash64(concat(k, '=', v)), tag_keys, tag_values),
           INDEX by_tag tag_hashes TYPE bloom_filter GRANULARITY 1,
           INDEX by_time timestamp TYPE minmax GRANULARITY 1`,
          `ReplacingMergeTree(version, deleted)
           PARTITION BY (retention_days, toMonday(timestamp))
           ORDER BY (project_id, primary_hash, timestamp, event_id)
           TTL toDateTime(timestamp) + toIntervalDay(retention_days)
           SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000`,
        );
        const timestamp = new Date();
        const event = (id: number, version: number, title: string, deleted = 0): object => ({
          project_id: 7n,
          primary_hash: "00000000-0000-4000-8000-00000000000a",
          timestamp,
          event_id: `00000000-0000-4000-8000-00000000000${id}`,
          retention_days: 90,
          version,
          deleted,
          title,
          handled: "no",
          tag_keys: ["browser"],
          tag_values: [`it's ${id}`],
        });
        await analytics.insert(table, [event(1, 1, "first"), event(2, 1, "second"), event(3, 1, "third")]);
        await analytics.insert(table, [event(2, 2, "second, changed"), event(3, 2, "", 1)]);
        const found = (tag: string): Promise<unknown[]> =>
          analytics.query(
            `SELECT title FROM ${table} FINAL
             WHERE project_id = {project:UInt64} AND timestamp >= {from:DateTime64(3)}
               AND has(tag_hashes, cityHash64({tag:String})) ORDER BY event_id`,
            { project: "7", from: new Date(timestamp.getTime() - 1000), tag },
          );
        expect(await found("browser=it's 1")).toEqual([{ title: "first" }]);
        expect(await found("browser=it's 2")).toEqual([{ title: "second, changed" }]);
        expect(await found("browser=it's 3")).toEqual([]);
        const [live] = await analytics.query(`SELECT count() AS rows FROM ${table} FINAL`);
        expect(live).toEqual({ rows: "2" });
        await analytics.command(`DELETE FROM ${table} WHERE project_id = {project:UInt64}`, { params: { project: 7 } });
        expect(await count(table)).toBe(0);
      });

      test("a changed column is filled when the command has resolved", async () => {
        const table = await createTable("a UInt32, b UInt32");
        await analytics.insert(table, [{ a: 1, b: 0 }]);
        await analytics.command(`ALTER TABLE ${table} UPDATE b = 5 WHERE a = 1`);
        expect(await analytics.query(`SELECT b FROM ${table}`)).toEqual([{ b: 5 }]);
      });
    });

    describe("limits and errors", () => {
      const endless = "SELECT count() AS rows FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))";

      test("a statement that the engine does not understand is not worth repeating", async () => {
        for (const sql of ["SELEKT 1", "SELECT a FROM no_such_table"]) {
          const error = await analytics.query(sql).catch((reason: unknown) => reason);
          expect(error).toBeInstanceOf(AnalyticsError);
          expect(error).toMatchObject({ code: "ANALYTICS_QUERY_FAILED", retryable: false });
          expect(error).toHaveProperty("cause");
        }
        await expect(analytics.command("CREATE TABLE")).rejects.toMatchObject({ code: "ANALYTICS_QUERY_FAILED" });
      });

      test("a read ends after its time", async () => {
        await expect(analytics.query(endless, {}, { maxExecutionSeconds: 1 })).rejects.toMatchObject({
          code: "ANALYTICS_TIMEOUT",
          retryable: true,
        });
      });

      test("a read ends at its memory, and the limit does not stay behind", async () => {
        const sql = "SELECT length(groupArray(number)) AS length FROM numbers(3000000)";
        await expect(analytics.query(sql, {}, { maxMemoryBytes: 10_000_000 })).rejects.toMatchObject({
          code: "ANALYTICS_MEMORY_LIMIT",
          retryable: false,
        });
        expect(await analytics.query(sql)).toEqual([{ length: "3000000" }]);
      });

      test("a result is whole or refused, never cut", async () => {
        const sql = "SELECT number FROM numbers(101)";
        await expect(analytics.query(sql, {}, { maxResultRows: 100 })).rejects.toMatchObject({
          code: "ANALYTICS_RESULT_TOO_LARGE",
          retryable: false,
        });
        expect(await analytics.query(sql, {}, { maxResultRows: 101 })).toHaveLength(101);
        await expect(analytics.query("SELECT number FROM numbers(10001)")).rejects.toMatchObject({
          code: "ANALYTICS_RESULT_TOO_LARGE",
        });
      });

      test("an aborted call rejects with the reason, before the engine has ended", async () => {
        const reason = new Error("nobody waits");
        const abort = new AbortController();
        const query = analytics.query(endless, {}, { maxExecutionSeconds: 2, signal: abort.signal });
        await delay(50);
        abort.abort(reason);
        await expect(query).rejects.toBe(reason);
        await expect(analytics.query("SELECT 1", {}, { signal: abort.signal })).rejects.toBe(reason);
        await expect(analytics.insert("no_such_table", [{}], { signal: abort.signal })).rejects.toBe(reason);
        await expect(analytics.ping(abort.signal)).rejects.toBe(reason);
      });

      const slowRead = "SELECT sleepEachRow(0.5) AS slept FROM numbers(8) SETTINGS max_block_size = 1";

      test("PF-062 a read does not wait for a slow one", async () => {
        let ended = false;
        const slow = analytics.query(slowRead).finally(() => {
          ended = true;
        });
        await analytics.query("SELECT 1 AS one");
        expect(ended).toBe(false);
        await slow;
      });

      test("PF-062 inserts and commands do not wait for slow reads, however many there are", async () => {
        const table = await createTable("a UInt32");
        const abort = new AbortController();
        let ended = 0;
        const slow = Array.from({ length: 20 }, () =>
          analytics
            .query(slowRead, {}, { signal: abort.signal })
            .catch(() => {})
            .finally(() => ended++),
        );
        await Promise.all([
          analytics.insert(table, [{ a: 1 }]),
          analytics.command(`ALTER TABLE ${table} ADD COLUMN b UInt32`),
          analytics.ping(),
        ]);
        expect(ended).toBe(0);
        abort.abort();
        await Promise.all(slow);
      });

      test("reads during inserts see whole batches only", async () => {
        const table = await createTable("batch UInt32, a UInt32");
        let inserting = true;
        const inserts = (async () => {
          for (let batch = 0; batch < 20; batch++) {
            await analytics.insert(
              table,
              Array.from({ length: 50 }, (_, a) => ({ batch, a })),
            );
          }
          inserting = false;
        })();
        while (inserting) expect((await count(table)) % 50).toBe(0);
        await inserts;
        expect(await count(table)).toBe(1_000);
      });
    });

    describe("batch writer", () => {
      test("PF-062 rows of many callers arrive once each, in few inserts", async () => {
        const table = await createTable("caller UInt32, position UInt32");
        const writer = createBatchWriter(analytics, { table, maxRows: 100, maxWaitMs: 20, maxPendingRows: 300 });
        await Promise.all(
          Array.from({ length: 60 }, async (_, caller) => {
            for (let position = 0; position < 4; position++) {
              await writer.write([
                { caller, position },
                { caller, position: position + 100 },
              ]);
            }
          }),
        );
        await writer.stop();
        const [rows] = await analytics.query(
          `SELECT count() AS rows, uniqExact(caller, position) AS different FROM ${table}`,
        );
        expect(rows).toEqual({ rows: "480", different: "480" });
        expect(writer.stats()).toEqual({ pendingRows: 0, pendingBytes: 0, waitingWrites: 0 });
      });

      test("PF-062 a refused batch rejects exactly its own writes", async () => {
        const table = await createTable("a UInt8");
        const writer = createBatchWriter(analytics, { table, maxRows: 2, maxWaitMs: 60_000 });
        const good = [writer.write([{ a: 1 }]), writer.write([{ a: 2 }])];
        const bad = [writer.write([{ a: 3 }]), writer.write([{ a: "none" }])];
        const outcomes = await Promise.allSettled([...good, ...bad]);
        expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"]);
        for (const outcome of outcomes.slice(2))
          expect(outcome).toMatchObject({ reason: { code: "ANALYTICS_INSERT_REFUSED" } });
        await writer.stop();
        expect(await count(table)).toBe(2);
      });
    });

    describe("migrations", () => {
      const table = `contract_migrated_${++tables}`;
      const first = {
        name: "001-create",
        statements: [`CREATE TABLE IF NOT EXISTS ${table} (a UInt32) ENGINE = MergeTree ORDER BY a`],
      };
      const second = {
        name: "002-add",
        statements: [
          `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS b UInt32`,
          `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS c UInt32`,
        ],
      };

      test("are applied once each, in order, also by two servers at once", async () => {
        expect(await migrateAnalytics(analytics, [{ name: table, migrations: [first] }])).toEqual([
          { set: table, migration: "001-create" },
        ]);
        const sets = [{ name: table, migrations: [first, second] }];
        await Promise.all([migrateAnalytics(analytics, sets), migrateAnalytics(analytics, sets)]);
        expect(await migrateAnalytics(analytics, sets)).toEqual([]);
        await analytics.insert(table, [{ a: 1, b: 2, c: 3 }]);
      });

      test("a newer schema is refused before anything is changed", async () => {
        const other = { name: "003-other", statements: [`DROP TABLE ${table}`] };
        const error = await migrateAnalytics(analytics, [
          { name: `${table}_more`, migrations: [other] },
          { name: table, migrations: [first] },
        ]).catch((reason: unknown) => reason);
        expect(error).toMatchObject({
          code: "ANALYTICS_SCHEMA_TOO_NEW",
          details: { migration_set: table, unknown: ["002-add"] },
        });
        expect(await count(table)).toBe(1);
      });

      test("what failed is applied by the next call", async () => {
        const set = `${table}_failing`;
        const made = `${table}_made`;
        const statements = (last: string): string[] => [
          `CREATE TABLE IF NOT EXISTS ${made} (a UInt32) ENGINE = MergeTree ORDER BY a`,
          last,
        ];
        const failing = { name: set, migrations: [{ name: "001", statements: statements("ALTER TABLE nowhere") }] };
        await expect(migrateAnalytics(analytics, [failing])).rejects.toMatchObject({ code: "ANALYTICS_QUERY_FAILED" });
        const mended = {
          name: set,
          migrations: [
            { name: "001", statements: statements(`ALTER TABLE ${made} ADD COLUMN IF NOT EXISTS b UInt32`) },
          ],
        };
        expect(await migrateAnalytics(analytics, [mended])).toEqual([{ set, migration: "001" }]);
      });
    });

    describe("ends", () => {
      test("closing waits for what was asked before, also in line, and refuses what comes later", async () => {
        const reads = Array.from({ length: 12 }, () => analytics.query("SELECT sleep(0.1) AS slept"));
        const closed = analytics.close();
        await expect(analytics.query("SELECT 1")).rejects.toMatchObject({ code: "ANALYTICS_CLOSED", retryable: false });
        await expect(analytics.insert("rows", [{ a: 2 }])).rejects.toMatchObject({ code: "ANALYTICS_CLOSED" });
        await expect(analytics.command("SELECT 1")).rejects.toMatchObject({ code: "ANALYTICS_CLOSED" });
        await expect(analytics.ping()).rejects.toMatchObject({ code: "ANALYTICS_CLOSED" });
        await Promise.all([closed, analytics.close()]);
        for (const read of reads) expect(await read).toEqual([{ slept: 0 }]);
        analytics = await subject.reopen();
        await analytics.ping();
      });

      test("an insert that closing met is there when the data are opened again", async () => {
        const table = await createTable("a UInt32");
        const insert = analytics.insert(
          table,
          Array.from({ length: 50_000 }, (_, a) => ({ a })),
        );
        await Promise.all([analytics.close(), insert]);
        analytics = await subject.reopen();
        expect(await count(table)).toBe(50_000);
      });

      test.skipIf(cannot.includes("crash alone"))("acknowledged rows survive the engine's sudden end", async () => {
        const table = await createTable("a UInt32");
        const acknowledged: number[] = [];
        let crashed = false;
        const inserts = (async () => {
          for (let a = 0; !crashed; a++) {
            await analytics.insert(table, [{ a }]).then(
              () => acknowledged.push(a),
              () => {},
            );
          }
        })();
        while (acknowledged.length < 10) await delay(5);
        const before = analytics;
        const reopened = subject.crash();
        analytics = await reopened;
        crashed = true;
        await inserts;
        const rows = await analytics.query<{ a: number }>(`SELECT a FROM ${table}`);
        expect(rows.map((row) => row.a)).toEqual(expect.arrayContaining(acknowledged));
        if (before !== analytics) await before.close();
      });
    });
  });
}
