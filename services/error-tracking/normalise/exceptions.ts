import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import type { Exception, Mechanism } from "../digest/error-event.js";
import { at, note, type Place } from "./notes.js";
import { normaliseStacktrace } from "./stacktrace.js";
import { trimMiddle, trimText } from "./trim.js";
import { count, fittedField, flag, keepUnknown, numberOrText, object, type Sent, text, valueList } from "./values.js";

const maxExceptions = 50;
const maxValueLength = 8192;
const maxTypeLength = 256;
const metaBytes = 8 * 1024;

export function normaliseExceptions(raw: Sent, root: Place): { values: Exception[] } | undefined {
  const { kept, omitted } = trimMiddle(valueList(raw, root, "exception"), maxExceptions);
  if (omitted) note(root, "too_many", "exception", `${omitted[0]} to ${omitted[1] - 1}`);
  if (kept.length === 0) return undefined;
  const values = at(at(root, "exception"), "values");
  return { values: kept.map((exception, index) => normaliseException(exception, at(values, index))) };
}

function normaliseException(raw: JsonObject, place: Place): Exception {
  const exception: Exception = {
    type: text(raw["type"], place, "type", maxTypeLength),
    value: exceptionValue(raw["value"], place),
    module: text(raw["module"], place, "module", 1024),
    thread_id: numberOrText(raw["thread_id"], place, "thread_id"),
    mechanism: normaliseMechanism(raw["mechanism"], place),
    stacktrace: normaliseStacktrace(raw["stacktrace"], place, "stacktrace"),
    raw_stacktrace: normaliseStacktrace(raw["raw_stacktrace"], place, "raw_stacktrace"),
  };
  return keepUnknown(exception, raw, exceptionKeys);
}

/** Clients that throw plain objects send them as the value; their JSON is what a person wants to see. */
function exceptionValue(raw: Sent, place: Place): string | undefined {
  if (typeof raw !== "object" || raw === null) return text(raw, place, "value", maxValueLength);
  return trimText(JSON.stringify(fittedField(raw, maxValueLength, place, "value")), maxValueLength);
}

function normaliseMechanism(raw: Sent, parent: Place): Mechanism | undefined {
  if (typeof raw === "string") return { type: text(raw, parent, "mechanism", 128) };
  const sent = object(raw, parent, "mechanism");
  if (sent === undefined) return undefined;
  const place = at(parent, "mechanism");
  const meta = object(sent["meta"], place, "meta");
  const fittedMeta = meta && fittedField(meta, metaBytes, place, "meta");
  const mechanism: Mechanism = {
    type: text(sent["type"], place, "type", 128),
    handled: flag(sent["handled"], place, "handled"),
    synthetic: flag(sent["synthetic"], place, "synthetic"),
    is_exception_group: flag(sent["is_exception_group"], place, "is_exception_group"),
    exception_id: count(sent["exception_id"], place, "exception_id"),
    parent_id: count(sent["parent_id"], place, "parent_id"),
    meta: isJsonObject(fittedMeta) ? fittedMeta : undefined,
  };
  return keepUnknown(mechanism, sent, mechanismKeys);
}

const exceptionKeys = new Set(["type", "value", "module", "thread_id", "mechanism", "stacktrace", "raw_stacktrace"]);

const mechanismKeys = new Set([
  "type",
  "handled",
  "synthetic",
  "is_exception_group",
  "exception_id",
  "parent_id",
  "meta",
]);
