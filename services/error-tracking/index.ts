export { errorTrackingAnalytics } from "./analytics-migrations.js";
export { type ErrorTrackingSettings, errorTrackingSection } from "./config.js";
export { DigestError, type DigestErrorCode, digestErrors } from "./digest-errors.js";
export { eventReceived } from "./events.js";
export { compileGroupingRules } from "./grouping/compile-rules.js";
export { groupEvent } from "./grouping/group-event.js";
export { markInApp } from "./grouping/mark-in-app.js";
export { RuleError, type RuleErrorCode, ruleErrors } from "./grouping/rule-errors.js";
export { rewriteIngestUrl } from "./http/ingest.js";
export { IngestError, type IngestErrorCode, ingestErrors } from "./http/ingest-errors.js";
export { IssueError, type IssueErrorCode, issueErrors } from "./issue-errors.js";
export {
  issueCreated,
  issueIgnored,
  issueMerged,
  issueRegressed,
  issueResolved,
  issueUnmuted,
} from "./issue-events.js";
export { normaliseEvent } from "./normalise/normalise-event.js";
export { ProjectError, type ProjectErrorCode, projectErrors } from "./project-errors.js";
export {
  createProjects,
  type KeyChanges,
  type NewKey,
  type Project,
  type ProjectChanges,
  type ProjectKey,
  type Projects,
  type ProjectsOptions,
} from "./projects.js";
export type { Quota } from "./quotas.js";
export { ReadError, type ReadErrorCode, readErrors } from "./read-errors.js";
export { QueryError, type QueryErrorCode, queryErrors } from "./search/query-error.js";
export {
  createErrorTracking,
  type ErrorTracking,
  type ErrorTrackingDependencies,
  errorTrackingMigrations,
} from "./service.js";
export { createErrorTimelineSource } from "./timeline-source.js";
