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

const dayMs = 86_400_000;
const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, "0"));
const threeDigits = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, "0"));

/** The day that was written last: `2026-11-21T`. */
let day = { number: Number.NaN, text: "" };

/** RFC 3339 in UTC with milliseconds, as `Date` writes it. An event has dozens of times, nearly all of one day. */
export function isoTime(timeMs: number): string {
  const wholeMs = Math.trunc(timeMs);
  const dayNumber = Math.floor(wholeMs / dayMs);
  if (dayNumber !== day.number) day = { number: dayNumber, text: new Date(wholeMs).toISOString().slice(0, -13) };
  const ofDayMs = wholeMs - dayNumber * dayMs;
  const hour = twoDigits[Math.floor(ofDayMs / 3_600_000)];
  const minute = twoDigits[Math.floor(ofDayMs / 60_000) % 60];
  const second = twoDigits[Math.floor(ofDayMs / 1000) % 60];
  return `${day.text}${hour}:${minute}:${second}.${threeDigits[ofDayMs % 1000]}Z`;
}
