import type { Notes } from "./notes.js";
import type { Sent } from "./values.js";

const futureToleranceMs = 60_000;
const oldestMs = 30 * 86_400_000;
const driftThresholdMs = 55 * 60_000;

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d)?$/i;
const numeric = /^-?\d{1,16}(?:\.\d{1,12})?$/;

/** Milliseconds of an RFC 3339 text (UTC without a zone), of seconds as number, or of seconds as text. */
export function parseTime(raw: Sent): number | undefined {
  if (typeof raw === "number") return fromSeconds(raw);
  if (typeof raw !== "string") return undefined;
  const sent = raw.trim();
  if (numeric.test(sent)) return fromSeconds(Number(sent));
  const match = rfc3339.exec(sent);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second = "00", fraction = "", zone] = match;
  const milliseconds = `${fraction}000`.slice(0, 3);
  const offset = zone === undefined || zone === "z" ? "Z" : zone.replace(/^([+-]\d\d)(\d\d)$/, "$1:$2");
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${milliseconds}${offset}`);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

function fromSeconds(seconds: number): number | undefined {
  const timeMs = Math.round(seconds * 1000);
  // `Date` covers 8.64e15 ms on both sides of the epoch.
  return Math.abs(timeMs) <= 8.64e15 ? timeMs : undefined;
}

/** How far the client's clock is behind the server's; 0 when less than what queueing on the client explains. */
export function clockDriftMs(receivedAtMs: number, sentAtMs: number | undefined): number {
  if (sentAtMs === undefined) return 0;
  const driftMs = receivedAtMs - sentAtMs;
  return Math.abs(driftMs) >= driftThresholdMs ? driftMs : 0;
}

/** The event's own time where it is believable, else the time of receipt, with a note. */
export function eventTimeMs(raw: Sent, receivedAtMs: number, driftMs: number, notes: Notes): number {
  if (raw === undefined || raw === null) return receivedAtMs;
  const sentMs = parseTime(raw);
  if (sentMs === undefined) {
    notes.add("invalid_timestamp", "timestamp", raw);
    return receivedAtMs;
  }
  const timeMs = sentMs + driftMs;
  if (timeMs > receivedAtMs + futureToleranceMs) {
    notes.add("future_timestamp", "timestamp", raw);
    return receivedAtMs;
  }
  if (timeMs < receivedAtMs - oldestMs) {
    notes.add("past_timestamp", "timestamp", raw);
    return receivedAtMs;
  }
  return timeMs;
}

/** RFC 3339 in UTC with milliseconds. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
