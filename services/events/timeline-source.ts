import type { Analytics } from "@signalbox/analytics";
import { hasScope } from "@signalbox/http";
import type { EntryOutcome, TimelineEntry, TimelineSource } from "@signalbox/timeline";
import { type AttemptRow, attemptColumns, type DispatchRow, dispatchColumns } from "./dispatch-rows.js";

/** Domain events with their decisions, and each attempt to handle one; only for tokens that may read events. */
export function createEventTimelineSource(analytics: Analytics): TimelineSource {
  return {
    name: "events",
    async find({ correlationIds, principal, limit, signal }) {
      const params = { ids: correlationIds, rows: limit + 1 };
      if (!hasScope(principal, "events:read")) {
        const [counted] = await analytics.query<{ hidden: number | string }>(
          `SELECT (SELECT count() FROM event_dispatches WHERE correlation_id IN {ids:Array(String)})
            + (SELECT count() FROM event_attempts WHERE correlation_id IN {ids:Array(String)}) AS hidden`,
          params,
          { signal },
        );
        return { entries: [], hidden: Number(counted?.hidden ?? 0), truncated: false };
      }
      const [dispatches, attempts] = await Promise.all([
        analytics.query<DispatchRow>(
          `SELECT ${dispatchColumns} FROM event_dispatches WHERE correlation_id IN {ids:Array(String)}
          ORDER BY published_at, event_id LIMIT {rows:UInt32}`,
          params,
          { signal },
        ),
        analytics.query<AttemptRow>(
          `SELECT ${attemptColumns} FROM event_attempts WHERE correlation_id IN {ids:Array(String)}
          ORDER BY started_at, event_id, delivery_id, attempt LIMIT {rows:UInt32}`,
          params,
          { signal },
        ),
      ]);
      const entries = [...dispatches.map(eventEntry), ...attempts.map(attemptEntry)].toSorted(
        (left, right) => left.atMs - right.atMs,
      );
      return { entries: entries.slice(0, limit), hidden: 0, truncated: entries.length > limit };
    },
  };
}

function eventEntry(row: DispatchRow): TimelineEntry {
  const dispatched = row.decisions.filter((decision) => decision === "dispatched").length;
  return {
    id: `event:${row.event_id}`,
    kind: "event",
    atMs: Date.parse(row.published_at),
    title: row.event_type,
    status: `dispatched to ${dispatched} of ${row.decisions.length}`,
    outcome: "neutral",
    link: `/api/v1/events/why/${row.event_id}`,
    ...(row.causation_id === "" ? {} : { causedBy: `event:${row.causation_id}` }),
    details: {
      subject: row.subject,
      ...(row.root_caller === "" ? {} : { root_caller: row.root_caller }),
      decisions: row.subscriptions.map((subscription, index) => `${subscription}: ${row.decisions[index]}`),
    },
  };
}

const outcomes: Readonly<Record<string, EntryOutcome>> = {
  done: "ok",
  retried: "failed",
  dead: "failed",
  lease_lost: "failed",
};

function attemptEntry(row: AttemptRow): TimelineEntry {
  return {
    id: `attempt:${row.event_id}.${row.delivery_id}.${row.attempt}.${Date.parse(row.started_at)}`,
    kind: "attempt",
    atMs: Date.parse(row.started_at),
    title: row.subscription,
    status: row.settlement,
    outcome: outcomes[row.settlement] ?? "neutral",
    durationMs: row.duration_ms,
    link: `/api/v1/events/why/${row.event_id}`,
    causedBy: `event:${row.event_id}`,
    details: {
      attempt: row.attempt,
      ignored: row.ignored === 1,
      ...(row.error_code === "" ? {} : { error_code: row.error_code }),
      ...(row.error_class === "" ? {} : { error: `${row.error_class}: ${row.error_message}` }),
    },
  };
}
