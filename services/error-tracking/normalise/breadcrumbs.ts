import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import type { Breadcrumb } from "../digest/error-event.js";
import { readLevel } from "./level.js";
import { at, note, type Place } from "./notes.js";
import { isoTime, parseTime } from "./times.js";
import { fittedField, keepUnknown, object, type Sent, text, valueList } from "./values.js";

const maxBreadcrumbs = 100;
const dataBytes = 16 * 1024;

/** What happened before the error, oldest first; the newest are kept. */
export function normaliseBreadcrumbs(raw: Sent, driftMs: number, root: Place): { values: Breadcrumb[] } | undefined {
  const sent = valueList(raw, root, "breadcrumbs");
  if (sent.length === 0) return undefined;
  const dropped = Math.max(0, sent.length - maxBreadcrumbs);
  if (dropped > 0) note(root, "too_many", "breadcrumbs", `0 to ${dropped - 1}`);
  const values = at(at(root, "breadcrumbs"), "values");
  return {
    values: sent.slice(dropped).map((crumb, index) => normaliseBreadcrumb(crumb, driftMs, at(values, index))),
  };
}

function normaliseBreadcrumb(raw: JsonObject, driftMs: number, place: Place): Breadcrumb {
  const timeMs = parseTime(raw["timestamp"]);
  const data = object(raw["data"], place, "data");
  const fittedData = data && fittedField(data, dataBytes, place, "data");
  const crumb: Breadcrumb = {
    timestamp: timeMs === undefined ? undefined : isoTime(Math.min(timeMs + driftMs, 8.64e15)),
    type: text(raw["type"], place, "type", 128),
    category: text(raw["category"], place, "category", 256),
    level: raw["level"] === undefined || raw["level"] === null ? undefined : readLevel(raw["level"]),
    message: text(raw["message"], place, "message", 8192),
    data: isJsonObject(fittedData) ? fittedData : undefined,
  };
  return keepUnknown(crumb, raw, breadcrumbKeys);
}

const breadcrumbKeys = new Set(["timestamp", "type", "category", "level", "message", "data"]);
