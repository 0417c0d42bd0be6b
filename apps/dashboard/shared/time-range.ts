import { useMemo } from "react";
import { useSearchParams } from "react-router";

/** Periods to choose from, shortest first. */
export const presets = [
  { value: "15m", label: "Last 15 minutes", minutes: 15 },
  { value: "1h", label: "Last hour", minutes: 60 },
  { value: "6h", label: "Last 6 hours", minutes: 360 },
  { value: "24h", label: "Last 24 hours", minutes: 1_440 },
  { value: "7d", label: "Last 7 days", minutes: 10_080 },
  { value: "14d", label: "Last 14 days", minutes: 20_160 },
  { value: "30d", label: "Last 30 days", minutes: 43_200 },
  { value: "90d", label: "Last 90 days", minutes: 129_600 },
] as const;

const fallback = presets[3];

export interface TimeRange {
  /** For query keys: the same as long as the choice is. */
  readonly key: string;
  readonly label: string;
  /** For the end of a sentence: "in the last 24 hours". */
  readonly within: string;
  /** Undefined: now. */
  readonly until: string | undefined;
  /** Worked out when it is asked for, since a period moves on. */
  since(): string;
  readonly lengthMs: number;
}

/** The time that the page speaks of: `range=7d`, or `from=…&to=…`, in the address. */
export function useTimeRange(): TimeRange {
  const [parameters] = useSearchParams();
  const range = parameters.get("range");
  const from = parameters.get("from");
  const to = parameters.get("to");
  return useMemo(() => readTimeRange(range, from, to), [range, from, to]);
}

export function readTimeRange(range: string | null, from: string | null, to: string | null): TimeRange {
  const fromMs = Date.parse(from ?? "");
  const toMs = Date.parse(to ?? "");
  if (Number.isFinite(fromMs) && (to === null || toMs > fromMs)) {
    const since = new Date(fromMs).toISOString();
    const until = to === null ? undefined : new Date(toMs).toISOString();
    const label = `${shortTime(fromMs)} – ${until === undefined ? "now" : shortTime(toMs)}`;
    return {
      key: `${since}/${until ?? ""}`,
      label,
      within: label,
      until,
      since: () => since,
      lengthMs: (until === undefined ? Date.now() : toMs) - fromMs,
    };
  }
  const { value, label, minutes } = presets.find((preset) => preset.value === range) ?? fallback;
  const lengthMs = minutes * 60_000;
  return {
    key: value,
    label,
    within: `the ${label.toLowerCase()}`,
    until: undefined,
    since: () => new Date(Date.now() - lengthMs).toISOString(),
    lengthMs,
  };
}

function shortTime(timeMs: number): string {
  return new Date(timeMs).toLocaleString(undefined, {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
}

/** What a link to another page takes along, so that it speaks of the same time; with the question mark. */
export function useRangeSearch(): string {
  const [parameters] = useSearchParams();
  const kept = new URLSearchParams();
  for (const name of ["range", "from", "to"]) {
    const value = parameters.get(name);
    if (value !== null) kept.set(name, value);
  }
  const text = kept.toString();
  return text === "" ? "" : `?${text}`;
}

/** How lists of errors are asked for a range: by the name of a period that they know, else by its ends. */
export function errorsQuery(range: TimeRange): ErrorsQuery {
  const period = errorPeriods.find((known) => known === range.key);
  if (period !== undefined) return { stats_period: period, query_period: period };
  return { from: range.since(), ...(range.until === undefined ? {} : { to: range.until }) };
}

const errorPeriods = ["15m", "1h", "24h", "7d", "14d", "30d"] as const;
type ErrorPeriod = (typeof errorPeriods)[number];

export type ErrorsQuery =
  | { readonly stats_period: ErrorPeriod; readonly query_period: ErrorPeriod }
  | { readonly from: string; readonly to?: string };
