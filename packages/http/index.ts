// Route schemas may carry a summary, tags and what else the OpenAPI document shows.
/// <reference types="@fastify/swagger" preserve="true" />

export * from "./access.js";
export { acceptedEncodings, type BodyLimits, readBody } from "./body.js";
export { type ClientAddresses, createClientAddresses } from "./client-address.js";
export { type Correlation, readCorrelation } from "./correlation.js";
export * from "./errors.js";
export { defaultMaxJsonDepth, parseJson } from "./json-body.js";
export { findUndocumented, type OpenApiOptions } from "./openapi.js";
export * from "./pagination.js";
export * from "./problems.js";
export { createRateLimiter, type Rate, type RateLimiter } from "./rate-limit.js";
export { defaultRateLimits, type RateLimits } from "./request-limits.js";
export type { RouteConfig } from "./route.js";
export * from "./scopes.js";
export { escapeHtml } from "./security-headers.js";
export * from "./server.js";
export type { Shutdown } from "./shutdown.js";
