import type { JsonObject, JsonValue } from "@signalbox/sentry-protocol";

/**
 * An error event in its one canonical form: Sentry's event payload with exactly one shape for each field. Made by
 * `normaliseEvent`, read by grouping, scrubbing and the columns, stored as it is. Keys that we do not know travel
 * along, hence the index signatures.
 */
export interface ErrorEvent {
  /** 32 lower-case hex digits. */
  event_id: string;
  /** Corrected time of the event, RFC 3339 in UTC with milliseconds. */
  timestamp: string;
  /** When the edge took the event, same form. */
  received: string;
  platform: string;
  level: Level;
  environment: string;
  type: EventType;
  release?: string | undefined;
  dist?: string | undefined;
  logger?: string | undefined;
  server_name?: string | undefined;
  transaction?: string | undefined;
  /** As the client sent it; the column is computed. */
  culprit?: string | undefined;
  logentry?: LogEntry | undefined;
  /** Oldest first: the last one is the one that was raised. */
  exception?: { values: Exception[] } | undefined;
  threads?: { values: Thread[] } | undefined;
  stacktrace?: Stacktrace | undefined;
  template?: Template | undefined;
  breadcrumbs?: { values: Breadcrumb[] } | undefined;
  user?: User | undefined;
  request?: Request | undefined;
  tags?: Pair[] | undefined;
  contexts?: Record<string, JsonObject> | undefined;
  extra?: JsonObject | undefined;
  modules?: Record<string, string> | undefined;
  sdk?: Sdk | undefined;
  fingerprint?: string[] | undefined;
  debug_meta?: JsonObject | undefined;
  processing_errors?: ProcessingError[] | undefined;
  /** What was taken out of it before it was stored. */
  scrubbed?: ScrubbedValue[] | undefined;
  [unknownKey: string]: unknown;
}

export const levels = ["fatal", "error", "warning", "info", "debug"] as const;
export type Level = (typeof levels)[number];

export type EventType = "error" | "csp" | "default";

export type Pair = [key: string, value: string];

export interface LogEntry {
  /** What people read. */
  formatted: string;
  /** The template, when it differs. */
  message?: string | undefined;
  params?: JsonValue[] | JsonObject | undefined;
  [unknownKey: string]: unknown;
}

export interface Exception {
  type?: string | undefined;
  value?: string | undefined;
  module?: string | undefined;
  thread_id?: string | number | undefined;
  mechanism?: Mechanism | undefined;
  stacktrace?: Stacktrace | undefined;
  raw_stacktrace?: Stacktrace | undefined;
  [unknownKey: string]: unknown;
}

export interface Mechanism {
  type?: string | undefined;
  handled?: boolean | undefined;
  synthetic?: boolean | undefined;
  is_exception_group?: boolean | undefined;
  exception_id?: number | undefined;
  parent_id?: number | undefined;
  meta?: JsonObject | undefined;
  [unknownKey: string]: unknown;
}

export interface Stacktrace {
  /** Oldest call first: the last frame is the crash site. */
  frames: Frame[];
  /** Half-open range of the frames that were left out, by their index in what was sent. */
  frames_omitted?: [from: number, to: number] | undefined;
  [unknownKey: string]: unknown;
}

export interface Frame {
  function?: string | undefined;
  module?: string | undefined;
  filename?: string | undefined;
  abs_path?: string | undefined;
  package?: string | undefined;
  platform?: string | undefined;
  /** 1-based. */
  lineno?: number | undefined;
  colno?: number | undefined;
  in_app?: boolean | undefined;
  context_line?: string | undefined;
  pre_context?: string[] | undefined;
  post_context?: string[] | undefined;
  vars?: JsonObject | undefined;
  data?: JsonObject | undefined;
  [unknownKey: string]: unknown;
}

export interface Thread {
  id?: string | number | undefined;
  name?: string | undefined;
  crashed?: boolean | undefined;
  current?: boolean | undefined;
  main?: boolean | undefined;
  stacktrace?: Stacktrace | undefined;
  raw_stacktrace?: Stacktrace | undefined;
  [unknownKey: string]: unknown;
}

export interface Template {
  filename?: string | undefined;
  abs_path?: string | undefined;
  lineno?: number | undefined;
  context_line?: string | undefined;
  pre_context?: string[] | undefined;
  post_context?: string[] | undefined;
  [unknownKey: string]: unknown;
}

export interface Breadcrumb {
  /** RFC 3339 in UTC with milliseconds. */
  timestamp?: string | undefined;
  type?: string | undefined;
  category?: string | undefined;
  level?: Level | undefined;
  message?: string | undefined;
  data?: JsonObject | undefined;
  [unknownKey: string]: unknown;
}

export interface User {
  id?: string | undefined;
  username?: string | undefined;
  email?: string | undefined;
  ip_address?: string | undefined;
  [unknownKey: string]: unknown;
}

export interface Request {
  url?: string | undefined;
  method?: string | undefined;
  query_string?: Pair[] | undefined;
  headers?: Pair[] | undefined;
  cookies?: Pair[] | undefined;
  env?: JsonObject | undefined;
  data?: JsonValue | undefined;
  [unknownKey: string]: unknown;
}

export interface Sdk {
  name?: string | undefined;
  version?: string | undefined;
  [unknownKey: string]: unknown;
}

/** What was wrong with one field, and what of it was dropped. */
export interface ProcessingError {
  readonly type: ProcessingErrorType;
  /** Path of the field. */
  readonly name: string;
  /** At most 200 characters of what was sent. */
  readonly value?: string | undefined;
}

/** A value that was taken out: where it stood, and why. */
export interface ScrubbedValue {
  readonly path: string;
  /** `name`: of what it was called by; else the kind of secret that it looked like, or the project's own rule. */
  readonly rule: string;
}

export type ProcessingErrorType =
  | "invalid_data"
  | "value_too_long"
  | "too_many"
  | "clock_drift"
  | "future_timestamp"
  | "past_timestamp"
  | "invalid_timestamp";
