import { createHash } from "node:crypto";
import type { Analytics } from "@signalbox/analytics";
import type { Clock } from "@signalbox/kernel";
import { eventRow, payloadRow, userRow } from "./analytics-rows.js";
import type { DigestMetrics, DigestStep } from "./digest-metrics.js";
import type { CountedEvent } from "./digested-event.js";

export interface WriteDependencies {
  readonly analytics: Analytics;
  readonly clock: Clock;
  readonly metrics: DigestMetrics;
  readonly retentionDays: number;
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
  const { retentionDays, onStep } = dependencies;
  const token = batchToken(events);
  const insert = (table: string, rows: readonly object[]): Promise<void> =>
    insertRows(dependencies, table, rows, `${table}:${token}`, signal);
  // An event that can be found has its payload.
  await insert(
    "error_payloads",
    events.map((event) => payloadRow(event, retentionDays)),
  );
  onStep("insert_payloads");
  await insert("error_events", events.map(eventRow));
  onStep("insert_events");
  await insert(
    "error_user_sightings",
    events.map(userRow).filter((row) => row !== undefined),
  );
  onStep("insert_users");
}

async function insertRows(
  { analytics, clock, metrics }: WriteDependencies,
  table: string,
  rows: readonly object[],
  deduplicationToken: string,
  signal: AbortSignal,
): Promise<void> {
  if (rows.length === 0) return;
  const startedMs = clock.monotonicMs();
  const seconds = (): number => (clock.monotonicMs() - startedMs) / 1000;
  try {
    await analytics.insert(table, rows, { deduplicationToken, signal });
    metrics.inserted(table, rows.length, seconds());
  } catch (error) {
    metrics.insertFailed(table, seconds());
    throw error;
  }
}

/** The same events in the same order are the same batch; everything that could make their rows differ is in it. */
function batchToken(events: readonly CountedEvent[]): string {
  const hash = createHash("sha256");
  for (const { digested, primaryHash, timestampMs, sampleWeight } of events) {
    hash.update(`${digested.projectId}:${digested.eventId}:${primaryHash}:${timestampMs}:${sampleWeight};`);
  }
  return hash.digest("hex");
}
