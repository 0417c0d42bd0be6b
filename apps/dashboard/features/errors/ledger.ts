import type { paths } from "../../api/schema.js";

export type Ledger =
  paths["/api/v1/projects/{id}/errors/ledger"]["get"]["responses"]["200"]["content"]["application/json"];

interface OutcomeKind {
  readonly outcome: string;
  readonly label: string;
  readonly meaning: string;
  readonly color: string;
}

/** How an item can end, in the order of the chart from below. */
export const outcomeKinds = [
  { outcome: "stored", label: "Stored", meaning: "Kept, to be looked at", color: "teal.6" },
  { outcome: "sampled", label: "Sampled", meaning: "Counted, its row is left out", color: "cyan.5" },
  { outcome: "duplicate", label: "Duplicate", meaning: "Had come before", color: "blue.4" },
  { outcome: "not_stored", label: "Not stored", meaning: "Of a kind that is not kept here", color: "gray.6" },
  { outcome: "filtered", label: "Filtered", meaning: "The project does not want it", color: "indigo.5" },
  {
    outcome: "rate_limited",
    label: "Limited",
    meaning: "Over a quota, or more than could be taken",
    color: "yellow.6",
  },
  { outcome: "invalid", label: "Invalid", meaning: "Could not be read", color: "orange.7" },
  { outcome: "discarded", label: "Discarded", meaning: "Somebody chose to throw it away", color: "grape.6" },
  { outcome: "dead_lettered", label: "Dead lettered", meaning: "Could not be stored, and waits below", color: "red.6" },
] as const satisfies readonly OutcomeKind[];

export type Interval = "1h" | "1d";
const hourMs = 3_600_000;

/** Hours for what can be told apart as bars, days above. */
export function intervalFor(lengthMs: number): Interval {
  return lengthMs <= 48 * hourMs ? "1h" : "1d";
}

export interface LedgerMoment {
  readonly startMs: number;
  readonly received: number;
  /** In the order of `outcomeKinds`. */
  readonly quantities: readonly number[];
}

/** Every hour or day of the ledger, oldest first, those with nothing in them too. */
export function momentsOf(ledger: Ledger, interval: Interval): readonly LedgerMoment[] {
  const lengthMs = interval === "1h" ? hourMs : 24 * hourMs;
  const known = new Map(ledger.intervals.map((part) => [Date.parse(part.start), part]));
  const firstMs = Math.floor(Date.parse(ledger.from) / lengthMs) * lengthMs;
  const count = Math.floor((Date.parse(ledger.to) - firstMs) / lengthMs) + 1;
  return Array.from({ length: count }, (_, index) => {
    const startMs = firstMs + index * lengthMs;
    const part = known.get(startMs);
    return {
      startMs,
      received: part?.received ?? 0,
      quantities: outcomeKinds.map(({ outcome }) => part?.outcomes?.[outcome]?.quantity ?? 0),
    };
  });
}

/** Days are those of UTC, hours those of whoever looks. */
export function formatMoment(startMs: number, interval: Interval): string {
  return new Date(startMs).toLocaleString(
    undefined,
    interval === "1d"
      ? { month: "short", day: "numeric", timeZone: "UTC" }
      : { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  );
}
