import type { TimelineEntry } from "./timeline-source.js";

export interface Explanation {
  /** One sentence without a full stop. It holds what senders wrote: text, never markup. */
  readonly text: string;
  /** Id of the entry to look at first; absent when nothing in the timeline says why. */
  readonly cause?: string;
}

/** Most that are explained: whoever gives one id to all of its work has thousands of journeys under it. */
const maxExplained = 20;

/** Longer messages are cut: the entry itself has the whole. */
const maxMessageLength = 200;

/**
 * Says of the first journeys that failed why they did, by their ids: the handler that was given up or failed, else the error that
 * was reported, while the journey was under way. That one carried the same id and came in time is all that is known, so
 * the sentence says "probably".
 *
 * @param isComplete whether the timeline holds all that there is; otherwise nothing is concluded from what is missing
 */
export function explainFailures(
  entries: readonly TimelineEntry[],
  isComplete: boolean,
): ReadonlyMap<string, Explanation> {
  const failed = entries.filter(({ kind, outcome }) => kind === "journey" && outcome === "failed");
  return new Map(failed.slice(0, maxExplained).map((journey) => [journey.id, explain(journey, entries, isComplete)]));
}

function explain(journey: TimelineEntry, entries: readonly TimelineEntry[], isComplete: boolean): Explanation {
  const end = howItEnded(journey, entries);
  const endMs = journey.atMs + (journey.durationMs ?? Number.POSITIVE_INFINITY);
  const failures = entries.filter(({ outcome, atMs }) => outcome === "failed" && atMs <= endMs);
  const reason = failedHandler(failures) ?? reportedError(failures);
  if (reason !== undefined) return { text: `${end}, probably because ${reason.text}`, cause: reason.cause };
  return { text: isComplete ? `${end}; no handler failed under this id, and no error was reported` : end };
}

function howItEnded(journey: TimelineEntry, entries: readonly TimelineEntry[]): string {
  const checkpoints = entries.filter(({ kind, causedBy }) => kind === "checkpoint" && causedBy === journey.id);
  const after = journey.durationMs === undefined ? "" : ` after ${duration(journey.durationMs)}`;
  if (journey.status === "timed_out") {
    const last = checkpoints.findLast(({ atMs }) => atMs <= journey.atMs + (journey.durationMs ?? 0));
    if (last === undefined) return `${journey.title} ran out of time${after}`;
    const step = last.title.startsWith(`${journey.title}: `) ? last.title.slice(journey.title.length + 2) : last.title;
    return `${journey.title} ran out of time${after}, last seen at ${step} after ${duration(last.atMs - journey.atMs)}`;
  }
  const said = checkpoints.findLast(({ outcome }) => outcome === "failed")?.details?.["error_message"];
  return `${journey.title} failed${after}${typeof said === "string" ? ` (${clip(said)})` : ""}`;
}

interface Reason {
  readonly text: string;
  readonly cause: string;
}

/** The one that was given up, else the one that failed first; what it failed of is looked up where its error tells more. */
function failedHandler(failures: readonly TimelineEntry[]): Reason | undefined {
  const attempts = failures.filter(({ kind }) => kind === "attempt");
  const decisive = attempts.find(({ status }) => status === "dead") ?? attempts[0];
  if (decisive === undefined) return undefined;
  const same = attempts.filter(({ title, causedBy }) => title === decisive.title && causedBy === decisive.causedBy);
  const times = same.length === 1 ? "" : ` ${same.length} times`;
  const givenUp = decisive.status === "dead" ? " and was given up" : "";
  const message = decisive.details?.["error"];
  const errors = failures.filter(({ kind, causedBy }) => kind === "error" && causedBy === decisive.causedBy);
  const error = errors.findLast(({ title }) => title === message) ?? errors.at(-1);
  const what = typeof message === "string" ? message : error?.title;
  return {
    text: `${decisive.title.split("/", 1)[0]} failed${times}${givenUp}${what === undefined ? "" : `: ${clip(what)}`}`,
    cause: (error ?? decisive).id,
  };
}

function reportedError(failures: readonly TimelineEntry[]): Reason | undefined {
  const error = failures.findLast(({ kind }) => kind === "error");
  if (error === undefined) return undefined;
  const times = failures.filter(({ kind, title }) => kind === "error" && title === error.title).length;
  return { text: `of ${clip(error.title)}${times === 1 ? "" : ` (${times} times)`}`, cause: error.id };
}

function clip(message: string): string {
  const line = message.replaceAll(/\s+/g, " ").trim();
  return line.length <= maxMessageLength ? line : `${line.slice(0, maxMessageLength).trimEnd()}…`;
}

function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}
