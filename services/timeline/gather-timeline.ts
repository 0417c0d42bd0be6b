import type { Principal } from "@signalbox/http";
import { type Clock, canonicalCorrelationId, isCorrelationId, type Logger } from "@signalbox/kernel";
import {
  type AliasQuery,
  type Explanation,
  explainFailures,
  orderEntries,
  relateEntries,
  type SourceAnswer,
  type TimelineEntry,
  type TimelineSource,
} from "@signalbox/timeline";

export interface TimelineRequest {
  /** As given. */
  readonly correlationId: string;
  readonly principal: Principal;
  /** Entries of each source at most. */
  readonly limit: number;
}

export interface RelatedEntry extends TimelineEntry {
  /** Ids of what belongs to it. */
  readonly related: readonly string[];
  /** Of a journey that failed. */
  readonly explanation?: Explanation;
}

export interface Timeline {
  /** The canonical id first, then other ids of the same work. */
  readonly correlationIds: readonly string[];
  /** In order. */
  readonly entries: readonly RelatedEntry[];
  readonly sources: readonly SourceReport[];
}

export interface SourceReport {
  readonly name: string;
  readonly state: "complete" | "truncated" | "unavailable";
  readonly entries: number;
  /** Entries that the asker may not see. */
  readonly hidden: number;
}

export interface GatherOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a source may take before it counts as unavailable. */
  readonly timeoutMs: number;
}

/** Asks all sources at once. One that fails or takes too long is named, and the others stand. */
export async function gatherTimeline(
  sources: readonly TimelineSource[],
  request: TimelineRequest,
  options: GatherOptions,
): Promise<Timeline> {
  const correlationId = canonicalCorrelationId(request.correlationId);
  const { principal, limit } = request;
  const correlationIds = await withAliases(sources, { correlationId, principal }, options);
  const answers = await Promise.all(
    sources.map((source) =>
      attempt(source.name, options, (signal) => source.find({ correlationIds, principal, limit, signal })),
    ),
  );
  const entries = orderEntries(answers.flatMap((answer) => answer?.entries ?? []));
  const related = relateEntries(entries);
  const reports = sources.map(({ name }, index) => reportOf(name, answers[index]));
  const isComplete = reports.every(({ state, hidden }) => state === "complete" && hidden === 0);
  const explanations = explainFailures(entries, isComplete);
  return {
    correlationIds,
    entries: entries.map((entry) => {
      const explanation = explanations.get(entry.id);
      return { ...entry, related: related.get(entry.id) ?? [], ...(explanation && { explanation }) };
    }),
    sources: reports,
  };
}

async function withAliases(
  sources: readonly TimelineSource[],
  query: Omit<AliasQuery, "signal">,
  options: GatherOptions,
): Promise<string[]> {
  const found = await Promise.all(
    sources.map((source) =>
      attempt(source.name, options, async (signal) => source.aliases?.({ ...query, signal }) ?? []),
    ),
  );
  // What a producer calls a correlation id may be any text.
  const aliases = found.flatMap((ids) => ids ?? []).filter(isCorrelationId);
  return [...new Set([query.correlationId, ...aliases.map(canonicalCorrelationId)])];
}

/** `undefined` when it failed or took too long. */
async function attempt<T>(
  name: string,
  { clock, logger, timeoutMs }: GatherOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const limit = new AbortController();
  const tooLate = new Error("the source took too long");
  const late = new Promise<never>((_resolve, reject) => {
    limit.signal.addEventListener("abort", () => reject(tooLate), { once: true });
  });
  const timer = clock.setTimer(timeoutMs, () => limit.abort(tooLate));
  try {
    return await Promise.race([work(limit.signal), late]);
  } catch (error) {
    logger.warn("a source of the timeline is unavailable", { source: name, error });
    return undefined;
  } finally {
    timer.cancel();
  }
}

function reportOf(name: string, answer: SourceAnswer | undefined): SourceReport {
  if (!answer) return { name, state: "unavailable", entries: 0, hidden: 0 };
  const { entries, hidden, truncated } = answer;
  return { name, state: truncated ? "truncated" : "complete", entries: entries.length, hidden };
}
