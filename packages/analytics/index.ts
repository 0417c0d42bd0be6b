export type {
  Analytics,
  CommandOptions,
  InsertOptions,
  QueryOptions,
  QueryParams,
} from "./analytics.js";
export type { BatchWriter, BatchWriterStats } from "./batch-writer.js";
export { AnalyticsError, type AnalyticsErrorCode, analyticsErrors } from "./errors.js";
export type { AnalyticsMigration, AnalyticsMigrationSet, AppliedAnalyticsMigration } from "./migrate.js";
