export type {
  Analytics,
  CommandOptions,
  InsertOptions,
  QueryOptions,
  QueryParams,
} from "./analytics.js";
export {
  type BatchWriter,
  type BatchWriterOptions,
  type BatchWriterStats,
  createBatchWriter,
} from "./batch-writer.js";
export { type ChdbOptions, openChdb } from "./chdb.js";
export { type ClickHouseOptions, openClickHouse } from "./clickhouse.js";
export type { AnalyticsDependencies } from "./client-analytics.js";
export { type EncodedRows, encodeLine, encodeRows, encodeTexts, joinLines, joinRows } from "./encode-rows.js";
export { AnalyticsError, type AnalyticsErrorCode, analyticsErrors } from "./errors.js";
export { freezeTables } from "./freeze-tables.js";
export {
  type AnalyticsMigration,
  type AnalyticsMigrationSet,
  type AppliedAnalyticsMigration,
  migrateAnalytics,
} from "./migrate.js";
export { type OpenAnalyticsOptions, openAnalytics } from "./open-analytics.js";
