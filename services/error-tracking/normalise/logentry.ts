import { isJsonObject, type JsonObject, type JsonValue } from "@signalbox/sentry-protocol";
import type { LogEntry } from "../digest/error-event.js";
import { at, note, type Place } from "./notes.js";
import { fittedField, keepUnknown, type Sent, text } from "./values.js";

const maxMessageLength = 8192;
const paramsBytes = 8 * 1024;

/** The log entry from `logentry`, or from `message` as text or object; undefined when neither says anything. */
export function normaliseLogEntry(logentry: Sent, message: Sent, root: Place): LogEntry | undefined {
  return fromSent(logentry, root, "logentry") ?? fromSent(message, root, "message");
}

function fromSent(raw: Sent, root: Place, key: string): LogEntry | undefined {
  if (raw === undefined || raw === null) return undefined;
  if (!isJsonObject(raw)) {
    const formatted = text(raw, root, key, maxMessageLength);
    return formatted === undefined ? undefined : { formatted };
  }
  const place = at(root, key);
  const formatted = text(raw["formatted"], place, "formatted", maxMessageLength);
  const template = text(raw["message"], place, "message", maxMessageLength);
  const params = normaliseParams(raw["params"], place);
  const complete = formatted ?? (template === undefined ? undefined : fillTemplate(template, params));
  if (complete === undefined) return undefined;
  const entry: LogEntry = { formatted: complete, message: template === complete ? undefined : template, params };
  return keepUnknown(entry, raw, logEntryKeys);
}

function normaliseParams(raw: Sent, place: Place): JsonValue[] | JsonObject | undefined {
  if (raw === undefined || raw === null) return undefined;
  if (typeof raw !== "object") {
    note(place, "invalid_data", "params", raw);
    return undefined;
  }
  const kept = fittedField(raw, paramsBytes, place, "params");
  return Array.isArray(kept) || isJsonObject(kept) ? kept : undefined;
}

/**
 * The template with its parameters: `%s`, `%d` and `%(name)s` when it contains a percent sign, else `{}`, `{0}` and
 * `{name}`. The raw template when parameters and placeholders do not match.
 */
function fillTemplate(template: string, params: JsonValue[] | JsonObject | undefined): string {
  if (params === undefined) return template;
  const style = template.includes("%") ? percentStyle : braceStyle;
  const filled = fill(template, style, params);
  return filled === undefined || filled.length > maxMessageLength ? template : filled;
}

const percentStyle = /%(?:(%)|\((\w{1,100})\)[sd]|([sd])|)/g;
const braceStyle = /\{(?:(\{)|(\w{1,100})?\})/g;

function fill(template: string, style: RegExp, params: JsonValue[] | JsonObject): string | undefined {
  let next = 0;
  let mismatch = false;
  const used = new Set<string | number>();
  const take = (key: string | number): string => {
    const value = Array.isArray(params) ? params[Number(key)] : Object.hasOwn(params, key) ? params[key] : undefined;
    if (value === undefined) mismatch = true;
    used.add(String(key));
    return typeof value === "string" ? value : JSON.stringify(value ?? null);
  };
  const filled = template.replace(style, (placeholder, escaped?: string, name?: string, positional?: string) => {
    if (escaped !== undefined) return escaped;
    if (name !== undefined) return take(name);
    if (style === percentStyle && positional === undefined) {
      mismatch = true;
      return placeholder;
    }
    return take(next++);
  });
  if (Array.isArray(params) && used.size !== params.length) mismatch = true;
  return mismatch ? undefined : filled;
}

const logEntryKeys = new Set(["formatted", "message", "params"]);
