import type { DispatchLog, DispatchRecord, HandlingRecord } from "./dispatch-log.js";

const defaultMaxRows = 10_000;

/** A log that ends with the process and forgets its oldest rows: for tests and for applications without a store for it. */
export function createMemoryDispatchLog({ maxRows = defaultMaxRows }: { readonly maxRows?: number } = {}): DispatchLog {
  const dispatches: DispatchRecord[] = [];
  const attempts: HandlingRecord[] = [];
  const keep = <Row>(rows: Row[], row: Row): void => {
    rows.push(row);
    // Cut now and then: taking the first one away each time costs as much as there are rows.
    if (rows.length >= maxRows * 2) rows.splice(0, rows.length - maxRows);
  };
  const kept = <Row>(rows: readonly Row[]): readonly Row[] => rows.slice(-maxRows);
  return {
    dispatched: (record) => keep(dispatches, record),
    handled: (record) => keep(attempts, record),
    flush: async () => {},
    history: {
      async find(eventIds) {
        const wanted = new Set(eventIds);
        return {
          dispatches: kept(dispatches).filter(({ eventId }) => wanted.has(eventId)),
          attempts: kept(attempts).filter(({ eventId }) => wanted.has(eventId)),
        };
      },
      async causedBy(eventIds, limit) {
        const causes = new Set(eventIds);
        return kept(dispatches)
          .filter(({ causationId }) => causationId !== null && causes.has(causationId))
          .slice(0, limit);
      },
    },
  };
}
