const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

const daysInMonth = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Milliseconds since the epoch of an RFC 3339 time with seconds and a zone, years 0001 to 9999; fractions are cut to
 * milliseconds, second 60 reads as 59.999. `undefined` for everything else, dates that do not exist included.
 */
export function parseTimestamp(text: string): number | undefined {
  const match = rfc3339.exec(text);
  if (!match) return undefined;
  const part = (index: number): number => Number(match[index] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  const [offsetHours, offsetMinutes] = [part(9), part(10)];
  if (year < 1 || day < 1 || day > lastDay(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 60 || offsetHours > 23 || offsetMinutes > 59) return undefined;
  const milliseconds = second === 60 ? 999 : Number((match[7] ?? "").slice(0, 3).padEnd(3, "0"));
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000 * (match[8] === "-" ? -1 : 1);
  const utcMs = Date.UTC(year, month - 1, day, hour, minute, Math.min(second, 59), milliseconds);
  // `Date.UTC` takes the years 0 to 99 for 1900 to 1999.
  return (year < 100 ? new Date(utcMs).setUTCFullYear(year, month - 1, day) : utcMs) - offsetMs;
}

/** 0 for months that do not exist. */
function lastDay(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : (daysInMonth[month - 1] ?? 0);
}

/** Checkpoints that come together share most of their times, and looking one up costs a tenth of writing it. */
const written = new Map<number, string>();
const maxWritten = 1_024;

/** ISO 8601 in UTC with milliseconds. */
export function formatTimestamp(timeMs: number): string {
  const known = written.get(timeMs);
  if (known !== undefined) return known;
  const text = new Date(timeMs).toISOString();
  if (written.size >= maxWritten) written.clear();
  written.set(timeMs, text);
  return text;
}
