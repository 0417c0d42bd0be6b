import { encodeLine } from "@signalbox/analytics/rows";
import { platformColumn } from "../normalise/platform.js";
import { isoTime } from "../normalise/times.js";
import { trimText } from "../normalise/trim.js";
import { type CountedEvent, type EventLines, primaryHashOf } from "./digested-event.js";
import type { ErrorEvent, Frame } from "./error-event.js";

/** Version of a row that was written by the digest; moving or deleting an event writes a higher one. */
const firstVersion = 1;

const maxFrames = 250;
const maxExceptionValue = 1024;
const maxUrl = 2048;

/** What a row says beside the event itself. */
export interface RowFacts {
  readonly projectId: number;
  readonly eventId: string;
  readonly timestampMs: number;
  readonly retentionDays: number;
  readonly primaryHash: string;
  readonly groupingVersion: number;
  readonly title: string;
  readonly culprit: string;
  readonly correlationId: string;
  readonly userHash: string | undefined;
  readonly attachments: number;
}

/** The row of `error_events`, as it is when the event was not counted before. */
export function makeEventRow(event: ErrorEvent, facts: RowFacts): object {
  const exceptions = event.exception?.values ?? [];
  const frames = stackFrames(event);
  const trace = event.contexts?.["trace"];
  const tags = event.tags ?? [];
  return {
    project_id: facts.projectId,
    primary_hash: facts.primaryHash,
    timestamp: isoTime(facts.timestampMs),
    received_at: event.received,
    event_id: facts.eventId,
    retention_days: facts.retentionDays,
    version: firstVersion,
    deleted: 0,
    sample_weight: 1,
    grouping_version: facts.groupingVersion,
    platform: platformColumn(event.platform),
    level: event.level,
    environment: event.environment,
    release: event.release ?? "",
    dist: event.dist ?? "",
    logger: event.logger ?? "",
    server_name: event.server_name ?? "",
    sdk_name: event.sdk?.name ?? "",
    sdk_version: event.sdk?.version ?? "",
    type: event.type,
    http_method: event.request?.method ?? "",
    title: facts.title,
    message: event.logentry?.formatted ?? "",
    culprit: facts.culprit,
    transaction: event.transaction ?? "",
    url: trimText(event.request?.url ?? "", maxUrl),
    user_id: event.user?.id ?? "",
    user_email: event.user?.email ?? "",
    user_name: event.user?.username ?? "",
    user_ip: event.user?.ip_address ?? "",
    trace_id: textOf(trace?.["trace_id"]),
    span_id: textOf(trace?.["span_id"]),
    correlation_id: facts.correlationId,
    user_hash: facts.userHash ?? "0",
    handled: handledOf(event),
    exception_types: exceptions.map(({ type }) => type ?? ""),
    exception_values: exceptions.map(({ value }) => trimText(value ?? "", maxExceptionValue)),
    stack_files: frames.map((frame) => frame.filename ?? frame.abs_path ?? ""),
    stack_functions: frames.map((frame) => frame.function ?? ""),
    stack_modules: frames.map((frame) => frame.module ?? ""),
    stack_in_app: frames.map((frame) => (frame.in_app === true ? 1 : 0)),
    tag_keys: tags.map(([key]) => key),
    tag_values: tags.map(([, value]) => value),
    attachments: Math.min(facts.attachments, 255),
    processing_errors: event.processing_errors?.length ?? 0,
    symbolicated: 0,
  };
}

/** The row of `error_payloads`. */
export function makePayloadRow(event: ErrorEvent, facts: RowFacts): object {
  return {
    project_id: facts.projectId,
    event_id: facts.eventId,
    timestamp: isoTime(facts.timestampMs),
    retention_days: facts.retentionDays,
    version: firstVersion,
    payload: JSON.stringify(event),
  };
}

/** Lines of a counted event. One that was counted before keeps the key that it was counted under. */
export function linesOf({ digested, primaryHash, timestampMs, sampleWeight }: CountedEvent): EventLines {
  const { event, payload } = digested.lines;
  const isAsMade =
    primaryHash === primaryHashOf(digested) && timestampMs === digested.timestampMs && sampleWeight === 1;
  if (isAsMade) return digested.lines;
  const timestamp = isoTime(timestampMs);
  return {
    event: changeLine(event, { primary_hash: primaryHash, timestamp, sample_weight: sampleWeight }),
    payload: changeLine(payload, { timestamp }),
  };
}

function changeLine(line: Uint8Array, change: object): Uint8Array {
  const row: object = JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString("utf8"));
  return encodeLine({ ...row, ...change });
}

/** That a user met a hash on a day; undefined for events without a user. */
export function userRow({ digested, primaryHash, timestampMs }: CountedEvent): object | undefined {
  if (digested.userHash === undefined) return undefined;
  return {
    project_id: digested.projectId,
    primary_hash: primaryHash,
    day: isoTime(timestampMs).slice(0, 10),
    user_hash: digested.userHash,
  };
}

function stackFrames(event: ErrorEvent): readonly Frame[] {
  const stacks = (event.exception?.values ?? []).map(({ stacktrace }) => stacktrace?.frames ?? []);
  const threads = (event.threads?.values ?? []).filter(({ crashed }) => crashed === true);
  const frames = stacks.some((stack) => stack.length > 0)
    ? stacks.flat()
    : [...threads.flatMap(({ stacktrace }) => stacktrace?.frames ?? []), ...(event.stacktrace?.frames ?? [])];
  return frames.slice(-maxFrames);
}

/** What the mechanisms of its exceptions say. */
export function handledOf(event: ErrorEvent): "unknown" | "yes" | "no" {
  const said = (event.exception?.values ?? []).map(({ mechanism }) => mechanism?.handled);
  if (said.includes(false)) return "no";
  return said.includes(true) ? "yes" : "unknown";
}

function textOf(value: unknown): string {
  return typeof value === "string" ? trimText(value, 200) : "";
}
