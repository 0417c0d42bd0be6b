import { createHash } from "node:crypto";
import { type Analytics, type EncodedRows, encodeRows, joinLines } from "@signalbox/analytics";
import type { Clock } from "@signalbox/kernel";
import { linesOf, userRow } from "./analytics-rows.js";
import type { DigestMetrics, DigestStep } from "./digest-metrics.js";
import type { CountedEvent } from "./digested-event.js";

export interface WriteDependencies {
  readonly analytics: Analytics;
  readonly clock: Clock;
  readonly metrics: DigestMetrics;
  /** Called after each step. */
  onStep(step: DigestStep): void;
}

/**
 * Writes the rows of counted events, one insert per table. May be repeated with the same events, alone or in other
 * company: rows of one event have one key, and users are sets.
 * @throws {AnalyticsError} when an insert failed; some of the tables may have their rows then
 */
export async function writeEvents(
  dependencies: WriteDependencies,
  events: readonly CountedEvent[],
  signal: AbortSignal,
): Promise<void> {
  const { analytics, clock, metrics, onStep } = dependencies;
  const token = batchToken(events);

  const insert = async (step: DigestStep, table: string, rows: EncodedRows): Promise<void> => {
    const startedMs = clock.monotonicMs();
    const seconds = (): number => (clock.monotonicMs() - startedMs) / 1000;
    try {
      if (rows.rows > 0) {
        await analytics.insert(table, rows, { deduplicationToken: `${table}:${token}`, signal });
        metrics.inserted(table, rows.rows, seconds());
      }
    } catch (error) {
      metrics.insertFailed(table, seconds());
      throw error;
    } finally {
      metrics.step(step, seconds());
    }
    onStep(step);
  };

  const lines = events.filter(({ sampleWeight }) => sampleWeight > 0).map(linesOf);
  const users = events.map(userRow).filter((row) => row !== undefined);
  // An event that can be found has its payload.
  await insert("insert_payloads", "error_payloads", joinLines(lines.map(({ payload }) => payload)));
  await insert("insert_events", "error_events", joinLines(lines.map(({ event }) => event)));
  await insert("insert_users", "error_user_sightings", await encodeRows(users, signal));
}

/** The same events in the same order are the same batch; everything that could make their rows differ is in it. */
function batchToken(events: readonly CountedEvent[]): string {
  const hash = createHash("sha256");
  for (const { digested, primaryHash, timestampMs, sampleWeight } of events) {
    hash.update(`${digested.projectId}:${digested.eventId}:${primaryHash}:${timestampMs}:${sampleWeight};`);
  }
  return hash.digest("hex");
}
