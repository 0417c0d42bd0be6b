import { isJsonObject, type JsonObject, type JsonValue } from "@signalbox/sentry-protocol";
import type { ErrorEvent, Frame, Pair, ScrubbedValue, Stacktrace } from "../digest/error-event.js";
import { setOwn } from "../normalise/values.js";
import { applyRules, type CompiledRule, compileRules } from "./project-rules.js";
import { defaultScrubSettings, type ScrubSettings } from "./scrub-settings.js";
import { filtered, scrubAssignments, scrubBrokenJson, scrubPatterns } from "./scrub-text.js";
import { createNameRules, type NameRules } from "./sensitive-names.js";

const maxReports = 100;

/**
 * Takes secrets out of a normalised event, in place, and notes in `scrubbed` what was taken out, by path and rule and
 * without the value. Scrubbing what was scrubbed changes nothing but those notes.
 */
export function scrubEvent(event: ErrorEvent, settings: ScrubSettings = defaultScrubSettings): ErrorEvent {
  if (!settings.enabled) return event;
  const scrubber = createScrubber(settings);
  scrubber.event(event);
  if (scrubber.report.length > 0) event.scrubbed = scrubber.report;
  return event;
}

/** Scrubs one text that came out of an event, such as a token of a grouping. */
export function scrubText(text: string, settings: ScrubSettings): string {
  return settings.enabled ? scrubPatterns(text, settings, () => {}) : text;
}

/** Fields that hold no one's data, and ids that may look like card numbers. */
const untouched = new Set([
  "event_id",
  "timestamp",
  "received",
  "platform",
  "level",
  "type",
  "sdk",
  "modules",
  "debug_meta",
  "scrubbed",
]);

const traceIds = new Set(["trace_id", "span_id", "parent_span_id"]);
const forwardedHeaders = new Set([
  "x-forwarded-for",
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "cf-connecting-ip",
  "true-client-ip",
  "x-cluster-client-ip",
  "fastly-client-ip",
]);
const addressVariables = new Set(["REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_CLIENT_IP", "HTTP_X_REAL_IP"]);

interface CompiledSettings {
  readonly names: NameRules;
  readonly rules: readonly CompiledRule[];
}

/** Settings stay the same objects from event to event. */
const compiled = new WeakMap<ScrubSettings, CompiledSettings>();

function compile(settings: ScrubSettings): CompiledSettings {
  const before = compiled.get(settings);
  if (before !== undefined) return before;
  const made = { names: createNameRules(settings), rules: compileRules(settings.rules) };
  compiled.set(settings, made);
  return made;
}

/** Place of a value; made into text only when something is noted. */
type Path = { readonly parent: Path | undefined; readonly key: string | number };

const top: Path = { parent: undefined, key: "" };

function at(parent: Path, ...keys: readonly (string | number)[]): Path {
  let path = parent;
  for (const key of keys) path = { parent: path, key };
  return path;
}

function textOf(path: Path): string {
  const keys: (string | number)[] = [];
  for (let place: Path | undefined = path; place?.parent !== undefined; place = place.parent) keys.unshift(place.key);
  return keys.join(".");
}

function createScrubber(settings: ScrubSettings) {
  const { names, rules } = compile(settings);
  const report: ScrubbedValue[] = [];

  const note = (path: Path, rule: string): void => {
    if (report.length >= maxReports) return;
    const text = textOf(path);
    if (!report.some((known) => known.rule === rule && known.path === text)) report.push({ path: text, rule });
  };

  /** Text of which only its form counts: what people and programs write in prose. */
  const prose = (text: string, path: Path): string => scrubPatterns(text, settings, (rule) => note(path, rule));

  const text = (sent: string, path: Path): string => {
    const asJson = parseContainer(sent);
    if (asJson !== undefined) {
      const before = report.length;
      const clean = JSON.stringify(value(asJson, path));
      // What needed no scrubbing keeps its spaces and its order.
      return report.length === before ? sent : clean;
    }
    const looksLikeJson = /^\s*[{[]/.test(sent);
    const noted = (rule: string): void => note(path, rule);
    const byName = looksLikeJson ? scrubBrokenJson(sent, names, noted) : sent;
    return prose(scrubAssignments(byName, names.isSensitive, noted), path);
  };

  const value = (raw: JsonValue, path: Path): JsonValue => {
    if (typeof raw === "string") return text(raw, path);
    if (typeof raw === "number") return number(raw, path);
    if (typeof raw !== "object" || raw === null) return raw;
    if (!Array.isArray(raw)) return object(raw, path);
    for (const [index, item] of raw.entries()) raw[index] = value(item, at(path, index));
    return raw;
  };

  /** A card number may travel as a number. */
  const number = (raw: number, path: Path): JsonValue => {
    if (!Number.isSafeInteger(raw) || raw < 1e12) return raw;
    const clean = prose(String(raw), path);
    return clean === String(raw) ? raw : clean;
  };

  const object = (raw: JsonObject, path: Path): JsonObject => {
    for (const key of Object.keys(raw)) {
      const member = raw[key];
      if (member === undefined || names.isSafe(key)) continue;
      const place = at(path, key);
      setOwn(raw, key, names.isSensitive(key) ? take(member, place) : value(member, place));
    }
    return raw;
  };

  const take = (raw: JsonValue, path: Path): JsonValue => {
    if (raw === null || raw === "" || raw === filtered) return raw;
    note(path, "name");
    return filtered;
  };

  const pairs = (list: Pair[] | undefined, path: Path, isSensitive = names.isSensitive): void => {
    for (const pair of list ?? []) {
      const [name, sent] = pair;
      if (names.isSafe(name)) continue;
      const place = at(path, name);
      pair[1] = isSensitive(name) ? String(take(sent, place)) : text(sent, place);
    }
  };

  const frame = (sent: Frame, path: Path): void => {
    if (sent.vars !== undefined) object(sent.vars, at(path, "vars"));
    // Lines of source assign to names without holding the values.
    if (sent.context_line !== undefined) sent.context_line = prose(sent.context_line, at(path, "context_line"));
    for (const key of ["pre_context", "post_context"] as const)
      if (sent[key] !== undefined) sent[key] = sent[key].map((line) => prose(line, at(path, key)));
    unknown(sent, path, frameKeys);
  };

  const stack = (sent: Stacktrace | undefined, path: Path): void => {
    for (const [index, one] of (sent?.frames ?? []).entries()) frame(one, at(path, "frames", index));
  };

  /** Members that we have no rules for. */
  const unknown = (holder: Record<string, unknown>, path: Path, known: ReadonlySet<string>): void => {
    for (const key of Object.keys(holder)) {
      if (known.has(key) || names.isSafe(key)) continue;
      const member = asJson(holder[key]);
      if (member === undefined) continue;
      const place = at(path, key);
      setOwn(holder, key, names.isSensitive(key) ? take(member, place) : value(member, place));
    }
  };

  const exceptions = (event: ErrorEvent): void => {
    for (const [index, exception] of (event.exception?.values ?? []).entries()) {
      const path = at(top, "exception", "values", index);
      if (exception.value !== undefined) exception.value = prose(exception.value, at(path, "value"));
      if (exception.mechanism !== undefined) unknown(exception.mechanism, at(path, "mechanism"), mechanismKeys);
      stack(exception.stacktrace, at(path, "stacktrace"));
      stack(exception.raw_stacktrace, at(path, "raw_stacktrace"));
      unknown(exception, path, exceptionKeys);
    }
    for (const [index, thread] of (event.threads?.values ?? []).entries()) {
      const path = at(top, "threads", "values", index);
      stack(thread.stacktrace, at(path, "stacktrace"));
      stack(thread.raw_stacktrace, at(path, "raw_stacktrace"));
      unknown(thread, path, exceptionKeys);
    }
    stack(event.stacktrace, at(top, "stacktrace"));
  };

  const request = ({ request: sent }: ErrorEvent): void => {
    if (sent === undefined) return;
    const path = at(top, "request");
    if (settings.addresses) {
      sent.headers = without(sent.headers, ([name]) => forwardedHeaders.has(name.toLowerCase()), at(path, "headers"));
      for (const name of Object.keys(sent.env ?? {}))
        if (addressVariables.has(name.toUpperCase())) {
          delete sent.env?.[name];
          note(at(path, "env", name), "ip");
        }
    }
    if (sent.url !== undefined) sent.url = text(sent.url, at(path, "url"));
    pairs(sent.query_string, at(path, "query_string"));
    pairs(sent.cookies, at(path, "cookies"), names.isSensitiveCookie);
    const agent = sent.headers?.filter(([name]) => name.toLowerCase() === "user-agent") ?? [];
    pairs(
      sent.headers?.filter((pair) => !agent.includes(pair)),
      at(path, "headers"),
    );
    if (sent.env !== undefined) object(sent.env, at(path, "env"));
    if (sent.data !== undefined) sent.data = value(sent.data, at(path, "data"));
    unknown(sent, path, requestKeys);
  };

  const without = (list: Pair[] | undefined, isGone: (pair: Pair) => boolean, path: Path): Pair[] | undefined => {
    const kept = list?.filter((pair) => {
      if (!isGone(pair)) return true;
      note(at(path, pair[0]), "ip");
      return false;
    });
    return kept?.length === 0 ? undefined : kept;
  };

  const logEntry = ({ logentry: sent }: ErrorEvent): void => {
    if (sent === undefined) return;
    sent.formatted = prose(sent.formatted, at(top, "logentry", "formatted"));
    if (sent.message !== undefined) sent.message = prose(sent.message, at(top, "logentry", "message"));
    if (sent.params !== undefined) value(sent.params, at(top, "logentry", "params"));
    unknown(sent, at(top, "logentry"), logEntryKeys);
  };

  const user = ({ user: sent }: ErrorEvent): void => {
    if (sent === undefined) return;
    if (settings.addresses && sent.ip_address !== undefined) {
      delete sent.ip_address;
      note(at(top, "user", "ip_address"), "ip");
    }
    unknown(sent, at(top, "user"), addressKeys);
  };

  /** Ids of traces are random digits; a card number among them would be one by chance. */
  const contexts = (event: ErrorEvent): void => {
    for (const [name, context] of Object.entries(event.contexts ?? {})) {
      if (names.isSafe(name)) continue;
      const path = at(top, "contexts", name);
      if (names.isSensitive(name)) {
        note(path, "name");
        for (const key of Object.keys(context)) setOwn(context, key, filtered);
      } else if (name === "trace") unknown(context, path, traceIds);
      else object(context, path);
    }
  };

  const processingErrors = (event: ErrorEvent): void => {
    event.processing_errors = event.processing_errors?.map((error, index) => {
      if (error.value === undefined) return error;
      const path = at(top, "processing_errors", index, "value");
      const isSecret = error.name.split(".").some((part) => names.isSensitive(part));
      return { ...error, value: isSecret ? filtered : text(error.value, path) };
    });
  };

  return {
    report,
    event(event: ErrorEvent): void {
      applyRules(event, rules, (path, rule) => note(at(top, ...path), rule));
      exceptions(event);
      request(event);
      logEntry(event);
      user(event);
      contexts(event);
      pairs(event.tags, at(top, "tags"));
      if (event.extra !== undefined) object(event.extra, at(top, "extra"));
      for (const [index, crumb] of (event.breadcrumbs?.values ?? []).entries())
        unknown(crumb, at(top, "breadcrumbs", "values", index), breadcrumbKeys);
      for (const key of ["transaction", "culprit", "server_name", "logger"] as const) {
        const sent = event[key];
        if (sent !== undefined) event[key] = text(sent, at(top, key));
      }
      event.fingerprint = event.fingerprint?.map((part, index) => prose(part, at(top, "fingerprint", index)));
      processingErrors(event);
      unknown(event, top, handledKeys);
    },
  };
}

/** The object or list that a text is, when it is one. */
function parseContainer(text: string): JsonObject | JsonValue[] | undefined {
  if (!/^\s*[{[]/.test(text) || !/[}\]]\s*$/.test(text)) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) || isJsonObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Unknown members of an event came from JSON; the index signature has forgotten it. */
function asJson(member: unknown): JsonValue | undefined {
  if (member === null || ["string", "number", "boolean"].includes(typeof member)) return member as JsonValue;
  return Array.isArray(member) || isJsonObject(member) ? (member as JsonValue) : undefined;
}

const frameKeys = new Set([
  "function",
  "module",
  "filename",
  "abs_path",
  "package",
  "platform",
  "context_line",
  "pre_context",
  "post_context",
  "vars",
  "instruction_addr",
  "image_addr",
  "symbol_addr",
]);
const exceptionKeys = new Set(["type", "value", "mechanism", "stacktrace", "raw_stacktrace", "id", "thread_id"]);
const mechanismKeys = new Set(["type"]);
const requestKeys = new Set(["url", "query_string", "cookies", "headers", "env", "data", "method"]);
const logEntryKeys = new Set(["formatted", "message", "params"]);
const addressKeys = new Set(["ip_address"]);
const breadcrumbKeys = new Set(["timestamp", "type", "category", "level"]);
const handledKeys = new Set([
  ...untouched,
  "exception",
  "threads",
  "stacktrace",
  "request",
  "logentry",
  "user",
  "contexts",
  "tags",
  "extra",
  "breadcrumbs",
  "transaction",
  "culprit",
  "server_name",
  "logger",
  "environment",
  "release",
  "dist",
  "fingerprint",
  "processing_errors",
]);
