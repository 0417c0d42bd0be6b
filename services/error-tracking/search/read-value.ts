import { invalidQuery } from "./query-error.js";

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

export function readNumber(text: string, offset: number): number {
  if (!/^\d{1,15}$/.test(text)) throw invalidQuery(offset, `${text} is no whole number`);
  return Number(text);
}

/** A range of times, open at the sides that are missing. */
export interface TimeRange {
  readonly fromMs?: number;
  readonly untilMs?: number;
}

/** `-24h`: within the last day; `+2d`: longer than two days ago; `>2026-01-31T10:00:00Z` and so on: since a moment. */
export function readTimeRange(
  { values, comparison, offset }: { values: readonly string[]; comparison?: string | undefined; offset: number },
  nowMs: number,
): TimeRange {
  const [text = ""] = values;
  const age = /^([-+])(\d{1,6})([smhdw])$/.exec(text);
  if (age && comparison === undefined && values.length === 1) {
    const unit = age[3];
    const momentMs = nowMs - Number(age[2]) * (isUnit(unit) ? unitsMs[unit] : 0);
    return age[1] === "-" ? { fromMs: momentMs } : { untilMs: momentMs };
  }
  const momentMs = /^\d{4}-\d\d-\d\d(?:T[\d:.]{5,15}(?:Z|[-+]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text.includes("T") && !/(?:Z|[-+]\d\d:\d\d)$/.test(text) ? `${text}Z` : text)
    : Number.NaN;
  if (Number.isNaN(momentMs) || comparison === undefined || values.length > 1)
    throw invalidQuery(offset, `${text} is no age such as -24h or +2d and no time behind > or <`);
  return comparison.startsWith(">") ? { fromMs: momentMs } : { untilMs: momentMs };
}

function isUnit(text: string | undefined): text is keyof typeof unitsMs {
  return text !== undefined && text in unitsMs;
}

/** A pattern for `like` with `\` as escape: `*` stands for anything. */
export function likePattern(text: string): string {
  return text.replaceAll(/[\\%_]/g, "\\$&").replaceAll("*", "%");
}
