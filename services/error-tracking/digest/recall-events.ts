import type { Analytics } from "@signalbox/analytics";
import type { RememberedEvent } from "../store/event-ids.js";
import type { DigestedEvent } from "./digested-event.js";
import { dashed } from "./user-counts.js";

/** An event's time may be so much earlier or later than its receipt. */
const earlierMs = 30 * 86_400_000;
const laterMs = 60_000;

/**
 * What the analytics store knows of events whose ids are no longer remembered, because they were received longer ago
 * than ids are kept: a dead letter that is replayed late may have been stored before.
 */
export async function recallEvents(
  analytics: Analytics,
  events: readonly DigestedEvent[],
  rememberedSinceMs: number,
): Promise<RememberedEvent[]> {
  const old = events.filter(({ receivedAtMs }) => receivedAtMs < rememberedSinceMs);
  if (old.length === 0) return [];
  const receipts = old.map(({ receivedAtMs }) => receivedAtMs);
  const rows = await analytics.query<{
    project_id: string;
    event_id: string;
    received_at: string;
    primary_hash: string;
    timestamp: string;
    sample_weight: number;
  }>(
    `SELECT project_id, event_id, received_at, primary_hash, timestamp, sample_weight
    FROM error_events FINAL
    WHERE project_id IN {projects:Array(UInt64)} AND event_id IN {events:Array(UUID)}
      AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')}`,
    {
      projects: [...new Set(old.map(({ projectId }) => projectId))],
      events: old.map(({ eventId }) => dashed(eventId)),
      since: new Date(Math.min(...receipts) - earlierMs).toISOString(),
      until: new Date(Math.max(...receipts) + laterMs).toISOString(),
    },
  );
  return rows.map((row) => ({
    projectId: Number(row.project_id),
    eventId: row.event_id.replaceAll("-", ""),
    receivedAtMs: Date.parse(row.received_at),
    primaryHash: row.primary_hash.replaceAll("-", ""),
    timestampMs: Date.parse(row.timestamp),
    sampleWeight: row.sample_weight,
  }));
}
