import { isJsonObject, type JsonObject, type JsonValue, normalizeEventId } from "@signalbox/sentry-protocol";
import { countField, durationField, environmentField, objectField, textField, UnreadableItem } from "./read-fields.js";
import { derivedId, type ItemReceipt } from "./read-session.js";

/** A job says how it is getting on. */
export interface CheckIn {
  /** 32 hex digits; undefined: the newest one of the monitor and environment that is in progress. */
  readonly checkInId: string | undefined;
  /** The id of a new check-in when there is none in progress. */
  readonly freshId: string;
  readonly slug: string;
  readonly status: "in_progress" | "ok" | "error";
  readonly environment: string;
  readonly durationMs: number | undefined;
  readonly traceId: string | undefined;
  readonly config: MonitorConfig | undefined;
  readonly receivedAtMs: number;
}

/** When a job runs, and when somebody should worry. */
export interface MonitorConfig {
  readonly schedule: MonitorSchedule;
  readonly checkinMarginMinutes: number;
  readonly maxRuntimeMinutes: number;
  readonly timezone: string;
  readonly failureIssueThreshold: number;
  readonly recoveryThreshold: number;
}

export const intervalUnits = ["minute", "hour", "day", "week", "month", "year"] as const;

type MonitorSchedule =
  | { readonly type: "crontab"; readonly value: string }
  | { readonly type: "interval"; readonly value: number; readonly unit: (typeof intervalUnits)[number] };

const reportable: ReadonlySet<unknown> = new Set(["in_progress", "ok", "error"]);

/** @throws {UnreadableItem} */
export function readCheckIn(item: JsonObject, receipt: ItemReceipt): CheckIn {
  const { status } = item;
  const slug = toSlug(item["monitor_slug"]);
  if (slug === undefined || !isStatus(status)) throw new UnreadableItem("json");
  const trace = objectField(objectField(item["contexts"])["trace"]);
  return {
    checkInId: normalizeEventId(item["check_in_id"]),
    freshId: derivedId(receipt.itemKey),
    slug,
    status,
    environment: environmentField(item["environment"]),
    durationMs: durationField(item["duration"]),
    traceId: textField(trace["trace_id"], 64),
    config: readMonitorConfig(item["monitor_config"]),
    receivedAtMs: receipt.receivedAtMs,
  };
}

function isStatus(status: JsonValue | undefined): status is CheckIn["status"] {
  return reportable.has(status);
}

/** Names of monitors are `[a-z0-9_-]`, at most 50 of them; undefined when nothing of the name is left. */
export function toSlug(raw: unknown): string | undefined {
  if (typeof raw !== "string") return undefined;
  const slug = raw
    .slice(0, 200)
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 50)
    .replace(/-+$/, "");
  return slug === "" ? undefined : slug;
}

/** Undefined for what nobody could run by: the check-in itself counts all the same. */
export function readMonitorConfig(raw: JsonValue | undefined): MonitorConfig | undefined {
  if (!isJsonObject(raw)) return undefined;
  const schedule = readSchedule(objectField(raw["schedule"]));
  if (schedule === undefined) return undefined;
  const minutes = (name: string, fallback: number): number => countField(raw[name], 40_320) ?? fallback;
  const threshold = (name: string): number => Math.max(1, countField(raw[name], 720) ?? 1);
  return {
    schedule,
    checkinMarginMinutes: minutes("checkin_margin", 1),
    maxRuntimeMinutes: Math.max(1, minutes("max_runtime", 30)),
    timezone: readTimezone(raw["timezone"]),
    failureIssueThreshold: threshold("failure_issue_threshold"),
    recoveryThreshold: threshold("recovery_threshold"),
  };
}

const macros: ReadonlySet<string> = new Set([
  "@yearly",
  "@annually",
  "@monthly",
  "@weekly",
  "@daily",
  "@midnight",
  "@hourly",
]);
const cronField = /^[0-9a-zA-Z*,/?#-]{1,60}$/;

function readSchedule(schedule: JsonObject): MonitorSchedule | undefined {
  const { type, value, unit } = schedule;
  if (type === "crontab" && typeof value === "string") {
    const text = value.trim().replaceAll(/\s+/g, " ");
    const fields = text.split(" ");
    const isCron =
      macros.has(text.toLowerCase()) || (fields.length === 5 && fields.every((field) => cronField.test(field)));
    return isCron ? { type, value: text } : undefined;
  }
  const every = countField(value, 100_000);
  const known = intervalUnits.find((name) => name === unit || `${name}s` === unit);
  if (type !== "interval" || known === undefined || every === undefined || every === 0) return undefined;
  return { type, value: every, unit: known };
}

function readTimezone(raw: JsonValue | undefined): string {
  return typeof raw === "string" && isTimezone(raw) ? raw : "UTC";
}

/** Whether it is the name of a time zone such as `Europe/Berlin`. */
export function isTimezone(name: string): boolean {
  if (name === "" || name.length > 64) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
