import { isJsonObject, type JsonObject, type JsonValue } from "@signalbox/sentry-protocol";
import { trimText } from "../normalise/trim.js";

/** Why an item is not stored, as the ledger says it. */
export class UnreadableItem extends Error {
  readonly reason: ItemDefect;

  constructor(reason: ItemDefect) {
    super(`The item is not stored: ${reason}`);
    this.name = "UnreadableItem";
    this.reason = reason;
  }
}

/** `json`: not of the form that its type has; `no_release`, `too_late`: of sessions. */
export type ItemDefect = "json" | "no_release" | "too_late";

/** Text of a string or number, trimmed to the length; undefined for everything else and for white space. */
export function textField(raw: JsonValue | undefined, maxLength: number): string | undefined {
  const text = typeof raw === "number" ? String(raw) : raw;
  if (typeof text !== "string" || text.trim() === "") return undefined;
  return trimText(text, maxLength);
}

export function objectField(raw: JsonValue | undefined): JsonObject {
  return isJsonObject(raw) ? raw : {};
}

/** A whole number of at least 0 and at most `max`. */
export function countField(raw: JsonValue | undefined, max: number): number | undefined {
  const value = typeof raw === "string" && /^\d{1,15}$/.test(raw) ? Number(raw) : raw;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) return undefined;
  return Math.min(value, max);
}

/** Seconds as milliseconds, up to a year. */
export function durationField(raw: JsonValue | undefined): number | undefined {
  const seconds = typeof raw === "string" && /^\d{1,9}(?:\.\d{1,9})?$/.test(raw) ? Number(raw) : raw;
  if (typeof seconds !== "number" || !Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.round(Math.min(seconds, 366 * 86_400) * 1000);
}

/** A release as events carry it; undefined for what is none. */
export function releaseField(raw: JsonValue | undefined): string | undefined {
  const version = textField(raw, 1000)?.trim();
  if (version === undefined || version.length > 250 || /[\r\n\t]/.test(version)) return undefined;
  return /^[\\/]+$/.test(version) ? undefined : version;
}

/** An environment as events carry it. */
export function environmentField(raw: JsonValue | undefined): string {
  const name = textField(raw, 1000)?.trim();
  return name === undefined || name.length > 64 || /[\r\n/]/.test(name) ? "production" : name;
}
