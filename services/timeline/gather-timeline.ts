import type { Principal } from "@signalbox/http";
import { type Clock, canonicalCorrelationId, type Logger } from "@signalbox/kernel";
import {
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

export interface Timeline {
  /** The canonical id first, then other ids of the same work. */
  readonly correlationIds: readonly string[];
  /** In order. */
  readonly entries: readonly (TimelineEntry & { readonly related: readonly string[] })[];
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
  const correlationIds = await withAliases(sources, correlationId, options);
  const { principal, limit } = request;
  const answers = await Promise.all(
    sources.map((source) =>
      attempt(source.name, options, (signal) => source.find({ correlationIds, principal, limit, signal })),
    ),
  );
  const entries = orderEntries(answers.flatMap((answer) => answer?.entries ?? []));
  const related = relateEntries(entries);
  return {
    correlationIds,
    entries: entries.map((entry) => ({ ...entry, related: related.get(entry.id) ?? [] })),
    sources: sources.map(({ name }, index) => reportOf(name, answers[index])),
  };
}

async function withAliases(
  sources: readonly TimelineSource[],
  correlationId: string,
  options: GatherOptions,
): Promise<string[]> {
  const found = await Promise.all(
    sources.map((source) =>
      attempt(source.name, options, async (signal) => source.aliases?.(correlationId, signal) ?? []),
    ),
  );
  return [...new Set([correlationId, ...found.flatMap((aliases) => aliases ?? [])])];
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
