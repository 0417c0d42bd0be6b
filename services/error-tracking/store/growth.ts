import { type DigestedEvent, primaryHashOf } from "../digest/digested-event.js";
import type { IssueOfEvent } from "./assign-issues.js";
import { type HashCount, type HashKey, hashKey } from "./hashes.js";
import type { IssueGrowth, ReleaseSighting } from "./issues.js";

/** Counts by minute are for the last hour; what is older by then is never looked at. */
const minutesKeptMs = 2 * 3_600_000;

export interface BatchGrowth {
  readonly totals: readonly (HashKey & { readonly events: number })[];
  readonly hours: readonly HashCount[];
  readonly minutes: readonly HashCount[];
  readonly issues: readonly { readonly issueId: number; readonly projectId: number; readonly growth: IssueGrowth }[];
}

/** What a batch adds to its hashes and issues. */
export function growthOf(issues: readonly IssueOfEvent[], nowMs: number): BatchGrowth {
  const totals = new Map<string, HashCount>();
  const hours = new Map<string, HashCount>();
  const minutes = new Map<string, HashCount>();
  const byIssue = new Map<number, DigestedEvent[]>();
  for (const { digested, issueId } of issues) {
    const key = { projectId: digested.projectId, hash: primaryHashOf(digested) };
    addTo(totals, key, 0);
    addTo(hours, key, Math.floor(digested.timestampMs / 3_600_000));
    if (digested.timestampMs > nowMs - minutesKeptMs) addTo(minutes, key, Math.floor(digested.timestampMs / 60_000));
    const events = byIssue.get(issueId);
    if (events) events.push(digested);
    else byIssue.set(issueId, [digested]);
  }
  return {
    totals: [...totals.values()],
    hours: [...hours.values()],
    minutes: [...minutes.values()],
    issues: [...byIssue].map(([issueId, events]) => ({
      issueId,
      projectId: events[0]?.projectId ?? 0,
      growth: issueGrowth(events),
    })),
  };
}

function addTo(counts: Map<string, HashCount>, key: HashKey, slot: number): void {
  const name = `${hashKey(key)} ${slot}`;
  counts.set(name, { ...key, slot, events: (counts.get(name)?.events ?? 0) + 1 });
}

/** What these events of one issue add to it. */
export function issueGrowth(events: readonly DigestedEvent[]): IssueGrowth {
  let firstSeenMs = Number.POSITIVE_INFINITY;
  let lastSeenMs = Number.NEGATIVE_INFINITY;
  let firstRelease: ReleaseSighting | undefined;
  let lastRelease: ReleaseSighting | undefined;
  for (const { timestampMs, receivedAtMs, release } of events) {
    firstSeenMs = Math.min(firstSeenMs, timestampMs);
    lastSeenMs = Math.max(lastSeenMs, timestampMs);
    if (release === undefined) continue;
    const sighting = { release, receivedAtMs };
    if (firstRelease === undefined || receivedAtMs < firstRelease.receivedAtMs) firstRelease = sighting;
    if (lastRelease === undefined || receivedAtMs >= lastRelease.receivedAtMs) lastRelease = sighting;
  }
  const unhandled = events.some((event) => event.unhandled);
  return { events: events.length, firstSeenMs, lastSeenMs, unhandled, firstRelease, lastRelease };
}
