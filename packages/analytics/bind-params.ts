import type { QueryParams } from "./analytics.js";
import { AnalyticsError } from "./errors.js";

/** Values in the forms that the engine's text parser takes, by placeholder name. */
export type BoundParams = Readonly<Record<string, unknown>>;

const placeholder = /\{\s*([A-Za-z_]\w*)\s*:\s*([^{}]+?)\s*\}/g;

/**
 * The values of all `{name:Type}` placeholders of a statement. Times become the text that their declared type takes; parameters
 * without a placeholder are left out.
 * @throws {AnalyticsError} `ANALYTICS_QUERY_FAILED` when a placeholder has no value.
 */
export function bindParams(sql: string, params: QueryParams): BoundParams {
  const bound: Record<string, unknown> = {};
  for (const [, name = "", type = ""] of sql.matchAll(placeholder)) {
    const value = params[name];
    if (value === undefined) {
      throw new AnalyticsError("ANALYTICS_QUERY_FAILED", {
        cause: new Error(`Parameter ${name} has no value`),
        details: { parameter: name },
      });
    }
    bound[name] = toEngineValue(value, type);
  }
  return bound;
}

function toEngineValue(value: unknown, type: string): unknown {
  const inner = /^(?:Nullable|LowCardinality|Array)\((.*)\)$/s.exec(type)?.[1];
  if (Array.isArray(value)) return value.map((item) => toEngineValue(item, inner ?? type));
  if (inner !== undefined && !type.startsWith("Array")) return toEngineValue(value, inner);
  const time =
    value instanceof Date ? value : /^Date/.test(type) && typeof value === "string" ? parseIso(value) : undefined;
  return time === undefined ? value : formatTime(time, type);
}

function parseIso(text: string): Date | undefined {
  return /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? new Date(text) : undefined;
}

/** The parser of parameters takes no zone and, for `DateTime`, no fraction. */
function formatTime(time: Date, type: string): string {
  const iso = time.toISOString();
  if (type.startsWith("DateTime64")) return iso.slice(0, 23).replace("T", " ");
  if (type.startsWith("DateTime")) return iso.slice(0, 19).replace("T", " ");
  if (type.startsWith("Date")) return iso.slice(0, 10);
  return iso;
}
