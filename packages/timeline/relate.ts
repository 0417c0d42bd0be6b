import type { TimelineEntry } from "./timeline-source.js";

/**
 * Most that is named of one kind: whoever gives one id to all of its work has thousands of each, and all pairs of them
 * would be millions.
 */
const maxRelated = 100;

/**
 * What belongs to each entry, by id, the earliest of each kind: to a journey that failed the errors and failed attempts,
 * to an error its journeys and the chain of events that caused it, to a failed attempt its journeys and the errors of the
 * same event.
 */
export function relateEntries(entries: readonly TimelineEntry[]): ReadonlyMap<string, readonly string[]> {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const journeys = entries
    .filter(({ kind }) => kind === "journey")
    .slice(0, maxRelated)
    .map(({ id }) => id);
  const failures = entries.filter(
    ({ kind, outcome }) => kind === "error" || (kind === "attempt" && outcome === "failed"),
  );
  const firstFailures = failures.slice(0, maxRelated).map(({ id }) => id);
  const related = new Map<string, readonly string[]>();
  for (const entry of entries) {
    if (entry.kind === "journey" && entry.outcome === "failed") {
      related.set(entry.id, firstFailures);
    } else if (entry.kind === "error") {
      related.set(entry.id, [...journeys, ...causesOf(entry, byId)]);
    } else if (entry.kind === "attempt" && entry.outcome === "failed") {
      const errors = failures.filter(({ kind, causedBy }) => kind === "error" && causedBy === entry.causedBy);
      related.set(entry.id, [...journeys, ...errors.slice(0, maxRelated).map(({ id }) => id)]);
    }
  }
  return related;
}

/** The chain of causes, nearest first. */
function causesOf(entry: TimelineEntry, byId: ReadonlyMap<string, TimelineEntry>): string[] {
  const causes: string[] = [];
  let cause = entry.causedBy === undefined ? undefined : byId.get(entry.causedBy);
  while (cause !== undefined && causes.length < maxRelated && !causes.includes(cause.id)) {
    causes.push(cause.id);
    cause = cause.causedBy === undefined ? undefined : byId.get(cause.causedBy);
  }
  return causes;
}
