export * from "./access.js";
export { type AuthenticatorOptions, createAuthenticator } from "./authenticator.js";
export { acceptedEncodings, type BodyLimits, type InflateInTurn, readBody } from "./body.js";
export { addressGroup, type ClientAddresses, createClientAddresses, type Peer } from "./client-address.js";
export * from "./errors.js";
export type { Exemplar, Exposition, Family, Sample } from "./exposition.js";
export { findHeadFault, targetPath } from "./head-fault.js";
export {
  addHealthRoutes,
  type DependencyCheck,
  type HealthOptions,
  type HealthWatchOptions,
  watchHealth,
} from "./health.js";
export { createHttpService, type HttpService, type HttpServiceOptions } from "./http-service.js";
export type { IssuerOptions } from "./issuers.js";
export { defaultMaxJsonDepth, parseJson } from "./json-body.js";
export { createLogins, type LoginDependencies, type LoginOptions } from "./logins.js";
export { createMetricsServer, type MetricsServerOptions } from "./metrics-server.js";
export { findUndocumented, type OpenApiOptions } from "./openapi.js";
export * from "./pagination.js";
export * from "./problems.js";
export { observeProcess, type ProcessMetrics } from "./process-metrics.js";
export {
  createPrometheusMetrics,
  type FamilySource,
  type PrometheusMetrics,
  type PrometheusOptions,
} from "./prometheus.js";
export { observeQueues, type QueueProbe } from "./queue-metrics.js";
export { createRateLimiter, type Rate, type RateLimiter } from "./rate-limit.js";
export { refuseNulInBody } from "./refuse-nul.js";
export { defaultRateLimits, type RateLimits } from "./request-limits.js";
export { createRevocations, type Revocations, type RevocationsOptions } from "./revocations.js";
export type { RouteConfig } from "./route.js";
export * from "./scopes.js";
export { escapeHtml } from "./security-headers.js";
export * from "./server.js";
export { createSessions, type SessionOptions, type Sessions } from "./sessions.js";
export type { Shutdown } from "./shutdown.js";
export {
  type ChangeOptions,
  createStreamHub,
  type StreamHub,
  type StreamHubOptions,
  type StreamTopic,
  type TopicOptions,
} from "./stream-hub.js";
export type { ScopeClaim } from "./token-claims.js";
export * from "./tokens.js";
