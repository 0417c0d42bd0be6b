import type { CountedEvent } from "./digested-event.js";
import type { ErrorEvent, Frame } from "./error-event.js";
import { platformColumn } from "./normalise/platform.js";
import { trimText } from "./normalise/trim.js";

/** Version of a row that was written by the digest; moving or deleting an event writes a higher one. */
const firstVersion = 1;

const maxFrames = 250;
const maxExceptionValue = 1024;
const maxUrl = 2048;

/** What was computed from an event and is not in it. */
export interface ComputedColumns {
  readonly title: string;
  readonly culprit: string;
  readonly correlationId: string;
  readonly userHash: string | undefined;
  readonly groupingVersion: number;
  readonly attachments: number;
}

/** The searchable columns of one event, but for the ones that say which row it is. */
export function eventColumns(event: ErrorEvent, computed: ComputedColumns): object {
  const exceptions = event.exception?.values ?? [];
  const frames = stackFrames(event);
  const trace = event.contexts?.["trace"];
  const tags = event.tags ?? [];
  return {
    received_at: event.received,
    grouping_version: computed.groupingVersion,
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
    title: computed.title,
    message: event.logentry?.formatted ?? "",
    culprit: computed.culprit,
    transaction: event.transaction ?? "",
    url: trimText(event.request?.url ?? "", maxUrl),
    user_id: event.user?.id ?? "",
    user_email: event.user?.email ?? "",
    user_name: event.user?.username ?? "",
    user_ip: event.user?.ip_address ?? "",
    trace_id: textOf(trace?.["trace_id"]),
    span_id: textOf(trace?.["span_id"]),
    correlation_id: computed.correlationId,
    user_hash: computed.userHash ?? "0",
    handled: handledOf(event),
    exception_types: exceptions.map(({ type }) => type ?? ""),
    exception_values: exceptions.map(({ value }) => trimText(value ?? "", maxExceptionValue)),
    stack_files: frames.map((frame) => frame.filename ?? frame.abs_path ?? ""),
    stack_functions: frames.map((frame) => frame.function ?? ""),
    stack_modules: frames.map((frame) => frame.module ?? ""),
    stack_in_app: frames.map((frame) => (frame.in_app === true ? 1 : 0)),
    tag_keys: tags.map(([key]) => key),
    tag_values: tags.map(([, value]) => value),
    attachments: Math.min(computed.attachments, 255),
    processing_errors: event.processing_errors?.length ?? 0,
    symbolicated: 0,
  };
}

/** The row of `error_events`. */
export function eventRow(counted: CountedEvent, retentionDays: number): object {
  return {
    ...rowKey(counted, retentionDays),
    primary_hash: counted.primaryHash,
    deleted: 0,
    sample_weight: counted.sampleWeight,
    ...counted.digested.columns,
  };
}

/** The row of `error_payloads`. */
export function payloadRow(counted: CountedEvent, retentionDays: number): object {
  return { ...rowKey(counted, retentionDays), payload: counted.digested.payload };
}

/** That a user met a hash on a day; undefined for events without a user. */
export function userRow(counted: CountedEvent): object | undefined {
  const { userHash, projectId } = counted.digested;
  if (userHash === undefined) return undefined;
  return {
    project_id: projectId,
    primary_hash: counted.primaryHash,
    day: isoTime(counted).slice(0, 10),
    user_hash: userHash,
  };
}

function rowKey(counted: CountedEvent, retentionDays: number) {
  const { projectId, eventId } = counted.digested;
  return {
    project_id: projectId,
    event_id: eventId,
    timestamp: isoTime(counted),
    retention_days: retentionDays,
    version: firstVersion,
  };
}

/** The remembered time: a row that is written again must have the very key that it had before. */
function isoTime({ timestampMs }: CountedEvent): string {
  return new Date(timestampMs).toISOString();
}

function stackFrames(event: ErrorEvent): readonly Frame[] {
  const stacks = (event.exception?.values ?? []).map(({ stacktrace }) => stacktrace?.frames ?? []);
  const threads = (event.threads?.values ?? []).filter(({ crashed }) => crashed === true);
  const frames = stacks.some((stack) => stack.length > 0)
    ? stacks.flat()
    : [...threads.flatMap(({ stacktrace }) => stacktrace?.frames ?? []), ...(event.stacktrace?.frames ?? [])];
  return frames.slice(-maxFrames);
}

function handledOf(event: ErrorEvent): "unknown" | "yes" | "no" {
  const said = (event.exception?.values ?? []).map(({ mechanism }) => mechanism?.handled);
  if (said.includes(false)) return "no";
  return said.includes(true) ? "yes" : "unknown";
}

function textOf(value: unknown): string {
  return typeof value === "string" ? trimText(value, 200) : "";
}
