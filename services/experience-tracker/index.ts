export { experienceAnalytics } from "./analytics-migrations.js";
export { type ExperienceSettings, experienceSection } from "./config.js";
export { createDefinitions, type Definitions, type DefinitionsOptions } from "./definitions.js";
export { type TrackerErrorCode, trackerErrors } from "./errors.js";
export type { CheckpointData, VerdictData } from "./event-data.js";
export { checkpointRecorded, verdictEvents } from "./events.js";
export { createHistory, type History } from "./history.js";
export { experienceMigrations } from "./migrations.js";
export { createReports, type Reports } from "./reports/reports.js";
export type { ReportWindow } from "./reports/window.js";
export { createRuleFiles, type RuleFile, type RuleFiles } from "./rule-files.js";
export type { CheckpointView, RunView, VerdictView } from "./run-view.js";
export {
  createExperienceTracker,
  type ExperienceTracker,
  type StoreRequest,
  type TrackerDependencies,
} from "./service.js";
export { createSliMetrics, type SliMetrics, type SliMetricsOptions } from "./sli-metrics.js";
export {
  type RedisServer,
  RedisSetupError,
  type RedisSetupErrorCode,
  redisSetupErrors,
} from "./store/redis/require-server.js";
export { createSqlStore, type SqlStoreOptions } from "./store/sql-store.js";
export { createJourneyTimelineSource, type TimelineSourceOptions } from "./timeline-source.js";
export { WebhookError, webhookErrors } from "./webhooks.js";
