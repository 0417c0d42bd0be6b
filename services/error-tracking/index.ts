export { type ErrorTrackingSettings, errorTrackingSection } from "./config.js";
export { DigestError, type DigestErrorCode, digestErrors } from "./digest/digest-errors.js";
export { eventReceived } from "./events/event-received.js";
export {
  issueCreated,
  issueIgnored,
  issueMerged,
  issueRegressed,
  issueResolved,
  issueUnmuted,
} from "./events/issue-events.js";
export { compileGroupingRules } from "./grouping/compile-rules.js";
export { groupEvent } from "./grouping/group-event.js";
export { markInApp } from "./grouping/mark-in-app.js";
export { RuleError, type RuleErrorCode, ruleErrors } from "./grouping/rule-errors.js";
export { rewriteIngestUrl } from "./http/ingest.js";
export { IngestError, type IngestErrorCode, ingestErrors } from "./http/ingest-errors.js";
export { IssueError, type IssueErrorCode, issueErrors } from "./issues/issue-errors.js";
export { ReadError, type ReadErrorCode, readErrors } from "./issues/read-errors.js";
export { errorTrackingAnalytics } from "./migrations/analytics-migrations.js";
export { errorTrackingMigrations } from "./migrations/error-tracking-migrations.js";
export { normaliseEvent } from "./normalise/normalise-event.js";
export { ProjectError, type ProjectErrorCode, projectErrors } from "./projects/project-errors.js";
export {
  createProjects,
  type KeyChanges,
  type NewKey,
  type Project,
  type ProjectChanges,
  type ProjectKey,
  type Projects,
  type ProjectsOptions,
} from "./projects/projects.js";
export type { Quota } from "./projects/quotas.js";
export { QueryError, type QueryErrorCode, queryErrors } from "./search/query-error.js";
export {
  createErrorTracking,
  type ErrorTracking,
  type ErrorTrackingDependencies,
} from "./service.js";
export { createErrorTimelineSource } from "./timeline-source.js";
