import type { EncodedRows } from "./encode-rows.js";

/** Values for `{name:Type}` placeholders. They travel beside the statement and are never put into its text. */
export type QueryParams = Readonly<Record<string, unknown>>;

export interface CommandOptions {
  readonly params?: QueryParams;
  /** Default 60 s: schema changes and deletions may be long. */
  readonly maxExecutionSeconds?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface InsertOptions {
  /**
   * Names the batch. Of inserts into one table with one token only the first changes anything, within the table's
   * deduplication window (`non_replicated_deduplication_window`, which the table must set). Default: none, so a
   * repeated insert doubles its rows.
   */
  readonly deduplicationToken?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface QueryOptions {
  /** Default 10 s. The engine ends the query then, also when nobody waits for it any more. */
  readonly maxExecutionSeconds?: number;
  /** Default 512 MiB. */
  readonly maxMemoryBytes?: number;
  /** Default 10,000. A query with more rows fails; it is never cut silently. */
  readonly maxResultRows?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One ClickHouse dialect over two engines: chDB inside this process, or a ClickHouse server over HTTP.
 *
 * Values in results: integers of 64 and more bits are decimal strings (`"18446744073709551615"`); smaller ones, floats
 * and booleans are JavaScript values; `DateTime` and `DateTime64` are ISO 8601 in UTC (`2026-01-02T03:04:05.678Z`);
 * `Date` is `2026-01-02`; UUIDs and enums are strings; arrays are arrays. Not-a-number and infinities are null. Bytes
 * that are not UTF-8 come back damaged.
 * Values in rows and parameters: `bigint` or decimal strings for 64-bit integers; `Date` or ISO 8601 for times.
 *
 * All calls may run concurrently; reads do not wait for writes. Nothing is repeated by the port itself: an error that
 * is `retryable` may have taken effect, so repeat inserts with a `deduplicationToken`. An aborted call rejects at once with the
 * signal's reason; the engine may go on with it up to its time limit.
 *
 * @throws {AnalyticsError} from every call: `ANALYTICS_UNAVAILABLE`, `ANALYTICS_TIMEOUT` (both worth retrying),
 * `ANALYTICS_CLOSED` after `close()`.
 */
export interface Analytics {
  readonly engine: "chdb" | "clickhouse";
  /**
   * Runs one statement that returns no rows (DDL, `ALTER`, `DELETE`, `INSERT … SELECT`) and resolves when it took effect.
   * Several statements are refused.
   * @throws {AnalyticsError} `ANALYTICS_QUERY_FAILED`, `ANALYTICS_MEMORY_LIMIT`.
   */
  command(sql: string, options?: CommandOptions): Promise<void>;
  /**
   * Inserts rows, columns by name; a missing column gets its default, an unknown one is refused. Resolves when the rows
   * are readable and survive `kill -9` of this process and of the engine. All rows of one partition of the table become
   * visible together. No rows: does nothing.
   *
   * Aggregate states are written through a pair that a migration makes: a table `ENGINE = Null` with the plain columns,
   * and a materialized view `TO` the aggregating table that selects `…State(column)` from it. Insert into the first.
   * @throws {AnalyticsError} `ANALYTICS_INSERT_REFUSED`: a row does not fit the table; nothing was inserted.
   */
  insert(table: string, rows: readonly object[] | EncodedRows, options?: InsertOptions): Promise<void>;
  /**
   * Runs one read and returns all rows.
   * @throws {AnalyticsError} `ANALYTICS_QUERY_FAILED`, `ANALYTICS_MEMORY_LIMIT`, `ANALYTICS_RESULT_TOO_LARGE`.
   */
  query<Row = Record<string, unknown>>(sql: string, params?: QueryParams, options?: QueryOptions): Promise<Row[]>;
  /** Resolves when the engine answers a query within 5 s. */
  ping(signal?: AbortSignal): Promise<void>;
  /** Waits for calls under way, then releases the engine. May be repeated. Must be awaited before the process exits. */
  close(): Promise<void>;
}
