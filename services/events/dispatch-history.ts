import type { Analytics } from "@signalbox/analytics";
import type { DispatchHistory, DispatchRecord, HandlingRecord } from "@signalbox/event-store";
import {
  type AttemptRow,
  attemptColumns,
  type DispatchRow,
  dispatchColumns,
  fromAttemptRow,
  fromDispatchRow,
} from "./dispatch-rows.js";
import type { LogRow, RowBuffer } from "./row-buffer.js";

const idsAtOnce = 250;

/** Reads the tables together with what waits to be written to them. */
export function createHistory(analytics: Analytics, buffer: RowBuffer): DispatchHistory {
  const waiting = (table: LogRow["table"], isWanted: (row: LogRow) => boolean): LogRow[] =>
    [...buffer.all()].filter((row) => row.table === table && isWanted(row));
  const waitingDispatches = (isWanted: (row: LogRow) => boolean): DispatchRecord[] =>
    waiting("event_dispatches", isWanted).map(({ json }) => fromDispatchRow(JSON.parse(json)));
  const waitingAttempts = (isWanted: (row: LogRow) => boolean): HandlingRecord[] =>
    waiting("event_attempts", isWanted).map(({ json }) => fromAttemptRow(JSON.parse(json)));

  return {
    async find(eventIds) {
      const wanted = new Set(eventIds);
      // Looked at before the tables: what is written meanwhile is in both, not in neither.
      const dispatches = waitingDispatches(({ eventId }) => wanted.has(eventId));
      const attempts = waitingAttempts(({ eventId }) => wanted.has(eventId));
      for (const ids of slices([...wanted])) {
        const [dispatchRows, attemptRows] = await Promise.all([
          analytics.query<DispatchRow>(
            `SELECT ${dispatchColumns} FROM event_dispatches WHERE event_id IN {ids:Array(String)}
             ORDER BY published_at LIMIT 10000`,
            { ids },
          ),
          analytics.query<AttemptRow>(
            `SELECT ${attemptColumns} FROM event_attempts WHERE event_id IN {ids:Array(String)}
             ORDER BY started_at LIMIT 10000`,
            { ids },
          ),
        ]);
        dispatches.push(...dispatchRows.map(fromDispatchRow));
        attempts.push(...attemptRows.map(fromAttemptRow));
      }
      return { dispatches: distinctDispatches(dispatches), attempts: distinctAttempts(attempts) };
    },

    async causedBy(eventIds, limit) {
      const causes = new Set(eventIds);
      const found = waitingDispatches(({ causationId }) => causationId !== null && causes.has(causationId));
      for (const ids of slices([...causes])) {
        const rows = await analytics.query<DispatchRow>(
          `SELECT ${dispatchColumns} FROM event_dispatches WHERE causation_id IN {ids:Array(String)}
           ORDER BY published_at, event_id LIMIT {limit:UInt32}`,
          { ids, limit },
        );
        found.push(...rows.map(fromDispatchRow));
      }
      return distinctDispatches(found).slice(0, limit);
    },
  };
}

function* slices(ids: readonly string[]): Generator<readonly string[]> {
  for (let from = 0; from < ids.length; from += idsAtOnce) yield ids.slice(from, from + idsAtOnce);
}

function distinctDispatches(records: readonly DispatchRecord[]): readonly DispatchRecord[] {
  return distinct(records, ({ eventId, publishedAtMs }) => `${publishedAtMs} ${eventId}`).toSorted(
    (left, right) => left.publishedAtMs - right.publishedAtMs || (left.eventId < right.eventId ? -1 : 1),
  );
}

function distinctAttempts(records: readonly HandlingRecord[]): readonly HandlingRecord[] {
  const keyOf = ({ eventId, deliveryId, attempt, startedAtMs }: HandlingRecord): string =>
    `${startedAtMs} ${attempt} ${deliveryId} ${eventId}`;
  return distinct(records, keyOf).toSorted(
    (left, right) => left.startedAtMs - right.startedAtMs || left.attempt - right.attempt,
  );
}

function distinct<Item>(items: readonly Item[], keyOf: (item: Item) => string): Item[] {
  return [...new Map(items.map((item) => [keyOf(item), item])).values()];
}
