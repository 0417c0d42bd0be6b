import { canonicalCorrelationId, isCorrelationId } from "@signalbox/kernel";
import { isJsonObject, type JsonObject, type JsonValue, normalizeEventId } from "@signalbox/sentry-protocol";
import type { ErrorEvent, EventType, Sdk, Template } from "../digest/error-event.js";
import { normaliseBreadcrumbs } from "./breadcrumbs.js";
import { normaliseContexts, normaliseDebugMeta, normaliseExtra, normaliseModules } from "./contexts.js";
import { normaliseExceptions } from "./exceptions.js";
import { readLevel } from "./level.js";
import { normaliseLogEntry } from "./logentry.js";
import { at, Notes, note, type Place } from "./notes.js";
import { normaliseRequest } from "./request.js";
import { normaliseStacktrace } from "./stacktrace.js";
import { normaliseTags, tagValue } from "./tags.js";
import { normaliseThreads } from "./threads.js";
import { clockDriftMs, eventTimeMs, isoTime, parseTime } from "./times.js";
import { type Connection, normaliseUser } from "./user.js";
import { addUserAgentContexts } from "./user-agent.js";
import { count, keepUnknown, lines, object, type Sent, text } from "./values.js";

/** What the edge knows about an event beside its payload. */
export interface Receipt {
  /** 32 lower-case hex digits; wins over the payload's. */
  readonly eventId: string;
  readonly receivedAtMs: number;
  /** When the client says it sent the envelope. */
  readonly sentAtMs?: number | undefined;
  readonly clientAddress?: string | undefined;
  /** Of the ingest request; used when the event names none. */
  readonly correlationId: string;
}

export interface NormalisedEvent {
  readonly event: ErrorEvent;
  readonly timestampMs: number;
  readonly receivedAtMs: number;
  readonly correlationId: string;
}

/**
 * Brings whatever a client sent as an event into the canonical form. Pure, and total over parsed JSON: a field that
 * makes no sense is repaired or dropped and noted in `processing_errors`, never a reason to refuse the event.
 */
export function normaliseEvent(raw: JsonObject, receipt: Receipt): NormalisedEvent {
  const notes = new Notes();
  const root = notes.root;
  const sent = withoutLegacyNames(raw);
  const driftMs = clockDriftMs(receipt.receivedAtMs, receipt.sentAtMs);
  if (driftMs !== 0) notes.add("clock_drift", "timestamp", `${driftMs / 1000} s`);
  const timestampMs = eventTimeMs(sent["timestamp"], receipt.receivedAtMs, driftMs, notes);
  const platform = text(sent["platform"], root, "platform", 64)?.toLowerCase() ?? "other";
  const exception = normaliseExceptions(sent["exception"], root);
  const event: ErrorEvent = {
    event_id: normalizeEventId(receipt.eventId) ?? receipt.eventId,
    timestamp: isoTime(timestampMs),
    received: isoTime(receipt.receivedAtMs),
    platform,
    level: readLevel(sent["level"]),
    environment: environment(sent["environment"], root),
    type: eventType(sent, exception !== undefined),
    release: release(sent["release"], root),
    dist: text(sent["dist"], root, "dist", 64)?.trim() || undefined,
    logger: text(sent["logger"], root, "logger", 200),
    server_name: text(sent["server_name"], root, "server_name", 200),
    transaction: text(sent["transaction"], root, "transaction", 200),
    culprit: text(sent["culprit"], root, "culprit", 200),
    logentry: normaliseLogEntry(sent["logentry"], sent["message"], root),
    exception,
    threads: normaliseThreads(sent["threads"], root),
    stacktrace: normaliseStacktrace(sent["stacktrace"], root, "stacktrace"),
    template: template(sent["template"], root),
    breadcrumbs: normaliseBreadcrumbs(sent["breadcrumbs"], driftMs, root),
    user: normaliseUser(sent["user"], platform, connectionOf(sent, receipt), root),
    request: normaliseRequest(sent["request"], root),
    tags: normaliseTags(sent["tags"], root),
    contexts: normaliseContexts(sent["contexts"], root),
    extra: normaliseExtra(sent["extra"], root),
    modules: normaliseModules(sent["modules"], root),
    sdk: sdk(sent["sdk"], root),
    fingerprint: fingerprint(sent["fingerprint"], root),
    debug_meta: normaliseDebugMeta(sent["debug_meta"], root),
    processing_errors: notes.list,
  };
  keepUnknown(event, sent, eventKeys);
  addUserAgentContexts(event);
  if (driftMs !== 0) shiftSpans(event["spans"], driftMs);
  if (notes.list.length === 0) event.processing_errors = undefined;
  return {
    event,
    timestampMs,
    receivedAtMs: receipt.receivedAtMs,
    correlationId: correlationId(event, receipt.correlationId),
  };
}

function connectionOf(sent: JsonObject, { clientAddress }: Receipt): Connection {
  const settings = isJsonObject(sent["sdk"]) ? sent["sdk"]["settings"] : undefined;
  return { clientAddress, inferAddress: isJsonObject(settings) ? settings["infer_ip"] : undefined };
}

/** Spans travel along as they were sent, but for a clock that is wrong. */
function shiftSpans(spans: unknown, driftMs: number): void {
  if (!Array.isArray(spans)) return;
  for (const span of spans) {
    if (!isJsonObject(span)) continue;
    for (const key of ["start_timestamp", "timestamp"]) {
      const timeMs = parseTime(span[key]);
      if (timeMs !== undefined && Math.abs(timeMs + driftMs) <= 8.64e15) span[key] = isoTime(timeMs + driftMs);
    }
  }
}

/** Names of the interfaces before SDKs used short ones. */
const legacyNames: ReadonlyMap<string, string> = new Map([
  ["sentry.interfaces.Exception", "exception"],
  ["sentry.interfaces.Message", "logentry"],
  ["sentry.interfaces.Stacktrace", "stacktrace"],
  ["sentry.interfaces.Template", "template"],
  ["sentry.interfaces.Http", "request"],
  ["sentry.interfaces.User", "user"],
  ["sentry.interfaces.Breadcrumbs", "breadcrumbs"],
  ["sentry.interfaces.Contexts", "contexts"],
  ["sentry.interfaces.Csp", "csp"],
  ["sentry.interfaces.DebugMeta", "debug_meta"],
  ["sentry.interfaces.threads", "threads"],
  ["sentry.interfaces.Threads", "threads"],
]);

function withoutLegacyNames(raw: JsonObject): Readonly<Record<string, Sent>> & JsonObject {
  let renamed: JsonObject | undefined;
  for (const [legacy, name] of legacyNames) {
    const value = raw[legacy];
    if (value === undefined || !Object.hasOwn(raw, legacy)) continue;
    renamed ??= { ...raw };
    delete renamed[legacy];
    renamed[name] ??= value;
  }
  return renamed ?? raw;
}

function environment(raw: Sent, root: Place): string {
  const name = text(raw, root, "environment")?.trim();
  if (name === undefined || name === "") return "production";
  if (name.length <= 64 && !/[\r\n/]/.test(name)) return name;
  note(root, "invalid_data", "environment", name);
  return "production";
}

function release(raw: Sent, root: Place): string | undefined {
  const version = text(raw, root, "release")?.trim();
  if (version === undefined || version === "") return undefined;
  if (version.length <= 250 && !/[\r\n\t]/.test(version) && !/^[\\/]+$/.test(version)) return version;
  note(root, "invalid_data", "release", version);
  return undefined;
}

function eventType(sent: JsonObject, hasException: boolean): EventType {
  if (hasException) return "error";
  return typeof sent["csp"] === "object" && sent["csp"] !== null ? "csp" : "default";
}

function template(raw: Sent, root: Place): Template | undefined {
  const sent = object(raw, root, "template");
  if (sent === undefined) return undefined;
  const place = at(root, "template");
  const normalised: Template = {
    filename: text(sent["filename"], place, "filename", 2048),
    abs_path: text(sent["abs_path"], place, "abs_path", 2048),
    lineno: count(sent["lineno"], place, "lineno"),
    context_line: text(sent["context_line"], place, "context_line"),
    pre_context: lines(sent["pre_context"], place, "pre_context"),
    post_context: lines(sent["post_context"], place, "post_context"),
  };
  return keepUnknown(normalised, sent, templateKeys);
}

function sdk(raw: Sent, root: Place): Sdk | undefined {
  const sent = object(raw, root, "sdk");
  if (sent === undefined) return undefined;
  const place = at(root, "sdk");
  const normalised: Sdk = {
    name: text(sent["name"], place, "name", 128),
    version: text(sent["version"], place, "version", 64),
  };
  return keepUnknown(normalised, sent, sdkKeys);
}

function fingerprint(raw: Sent, root: Place): string[] | undefined {
  if (raw === undefined || raw === null) return undefined;
  const sent: JsonValue[] = Array.isArray(raw) ? raw : [raw];
  const place = at(root, "fingerprint");
  const parts: string[] = [];
  for (const [index, part] of sent.entries()) {
    if (part === null) continue;
    // An empty part is a part: it tells ["a", ""] from ["a"].
    const partText = part === "" ? "" : text(part, place, index, 256);
    if (partText !== undefined) parts.push(partText);
  }
  if (parts.length > 20) note(root, "too_many", "fingerprint", `${parts.length} parts`);
  return parts.length > 0 ? parts.slice(0, 20) : undefined;
}

function correlationId(event: ErrorEvent, ofRequest: string): string {
  const traceId = event.contexts?.["trace"]?.["trace_id"];
  for (const candidate of [tagValue(event.tags, "correlation_id"), traceId]) {
    if (typeof candidate === "string" && isCorrelationId(candidate)) return canonicalCorrelationId(candidate);
  }
  return canonicalCorrelationId(ofRequest);
}

const templateKeys = new Set(["filename", "abs_path", "lineno", "context_line", "pre_context", "post_context"]);
const sdkKeys = new Set(["name", "version"]);

const eventKeys = new Set([
  "event_id",
  "timestamp",
  "received",
  "platform",
  "level",
  "environment",
  "type",
  "release",
  "dist",
  "logger",
  "server_name",
  "transaction",
  "culprit",
  "logentry",
  "message",
  "exception",
  "threads",
  "stacktrace",
  "template",
  "breadcrumbs",
  "user",
  "request",
  "tags",
  "contexts",
  "extra",
  "modules",
  "sdk",
  "fingerprint",
  "debug_meta",
  "processing_errors",
  "scrubbed",
]);
