import { randomUUID } from "node:crypto";

const plainPattern = /^[0-9a-f]{32}$/;
const lenientPattern = /^\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;
export const nilId = "0".repeat(32);

/**
 * An event id as 32 lower-case hex digits; undefined for everything that is not a UUID (dashes and case are free).
 * The nil UUID counts as no id: clients that send it would have all their events taken for one.
 */
export function normalizeEventId(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  if (plainPattern.test(value)) return value === nilId ? undefined : value;
  const parts = lenientPattern.exec(value.trim());
  if (!parts) return undefined;
  const id = parts.slice(1).join("").toLowerCase();
  return id === nilId ? undefined : id;
}

/** A new random event id. */
export function createEventId(): string {
  return randomUUID().replaceAll("-", "");
}
