import { createHash } from "node:crypto";
import type { Analytics } from "@signalbox/analytics";
import { type DomainEvent, defineSubscriber, type Subscriber } from "@signalbox/event-store";
import type { ExperienceStore, Gap } from "@signalbox/experience";
import { type Clock, errorCode, isRetryable, type Logger } from "@signalbox/kernel";
import { retentionStatements } from "./analytics-migrations.js";
import type { CheckpointData, VerdictData } from "./event-data.js";
import { checkpointRecorded } from "./events.js";
import { checkpointRow, gapRow, verdictRow } from "./history-rows.js";
import { isInGap, type KnownTypes, markEarlierVerdicts } from "./measurement-gaps.js";

export interface HistoryOptions {
  readonly analytics: Analytics;
  readonly store: Pick<ExperienceStore, "gaps">;
  readonly retentionDays: number;
  /** Tells whom the silence of a producer concerns. */
  readonly known: KnownTypes;
  readonly clock: Clock;
  readonly logger: Logger;
}

const outagePauseMs = 1_000;
/** How long the list of gaps is good for. */
const gapsAgeMs = 5_000;
const gapsMs = 90 * 86_400_000;
/** A silence that ended before was looked into by whoever ran then. */
const markAgainMs = 3_600_000;

/**
 * Writes checkpoints and verdicts to the analytics store and settles them after the insert. The rows of a repetition
 * replace those of the first time.
 */
export function createHistorySubscriber(options: HistoryOptions): Subscriber<CheckpointData | VerdictData> {
  const { analytics, store, clock, logger } = options;
  let retentionIsSet = false;
  let gaps: readonly Gap[] = [];
  let gapsReadMs = Number.NEGATIVE_INFINITY;
  const writtenGaps = new Set<string>();

  const knownGaps = async (): Promise<readonly Gap[]> => {
    if (clock.monotonicMs() - gapsReadMs < gapsAgeMs) return gaps;
    try {
      gaps = await store.gaps(clock.nowMs() - gapsMs);
      gapsReadMs = clock.monotonicMs();
    } catch (error) {
      logger.debug("the gaps of the measurement cannot be read; those known are used", { error });
    }
    return gaps;
  };

  const insert = async (table: string, rows: readonly object[], token: string, signal: AbortSignal): Promise<void> => {
    if (rows.length > 0) await analytics.insert(table, rows, { deduplicationToken: `${table}:${token}`, signal });
  };

  /** A gap is written when it is over, a silence looked into when it begins as well. */
  const writeGaps = async (found: readonly Gap[], signal: AbortSignal): Promise<void> => {
    const fresh = found.filter((gap) => !writtenGaps.has(nameOf(gap)));
    const over = fresh.filter(({ silence }) => !silence?.goesOn);
    const token = over.map(nameOf).join();
    await insert("experience_gaps", over.map(gapRow), token, signal);
    for (const gap of fresh) {
      const { silence } = gap;
      if (silence && clock.nowMs() - gap.toMs < markAgainMs) {
        const { sql, params } = markEarlierVerdicts(gap, silence, options.known);
        await analytics.command(sql, { params, signal });
      }
      writtenGaps.add(nameOf(gap));
    }
  };

  return defineSubscriber<CheckpointData | VerdictData>("experience.history", {
    urgency: "throttled",
    batch: { maxSize: 1_000, maxWaitMs: 1_000, joinGroups: true },
    concurrency: 2,
    timeoutMs: 60_000,
    retry: {
      maxAttempts: 5,
      // An outage is nobody's failure: the events wait as long as it lasts.
      decide: (error) => (isOutage(error) ? { delayMs: outagePauseMs, counted: false } : "retry"),
    },
    async handleBatch(events, { signal }) {
      if (!retentionIsSet) {
        for (const statement of retentionStatements(options.retentionDays))
          await analytics.command(statement, { signal });
        retentionIsSet = true;
      }
      const found = await knownGaps();
      await writeGaps(found, signal);
      const token = createHash("sha256")
        .update(events.map(({ id }) => id).join())
        .digest("base64url");
      const checkpoints = events.filter(isCheckpoint).map(({ data }) => data);
      await insert("experience_checkpoints", checkpoints.map(checkpointRow), token, signal);
      const verdicts = [
        ...events.filter((event) => !isCheckpoint(event)).map(({ data }) => data as VerdictData),
        // A late end brings the verdict again, with what is known now.
        ...checkpoints.flatMap(({ verdict }) => (verdict ? [verdict] : [])),
      ];
      await insert(
        "experience_verdicts",
        verdicts.map((verdict) => verdictRow(verdict, isInGap(verdict, found, options.known))),
        token,
        signal,
      );
    },
  });
}

/** What goes on has no end yet, and is the same as long as it does. */
function nameOf({ fromMs, toMs, reason, silence }: Gap): string {
  if (!silence) return `${fromMs}-${toMs}-${reason}`;
  return `${fromMs}-${silence.goesOn ? "" : toMs}-${silence.tenant}-${silence.producer}`;
}

function isCheckpoint(event: DomainEvent<CheckpointData | VerdictData>): event is DomainEvent<CheckpointData> {
  return checkpointRecorded.is(event);
}

function isOutage(error: unknown): boolean {
  return isRetryable(error) && (errorCode(error)?.startsWith("ANALYTICS_") ?? false);
}
