import { type Clock, createPace, createService, type Logger, type Service } from "@signalbox/kernel";
import { readEvent, readFilter } from "@signalbox/nostr";
import type { EndOf } from "./event-end.js";
import type { RelayEvents } from "./store/port.js";

export interface HousekeepingOptions {
  readonly events: RelayEvents;
  readonly endOf: EndOf;
  readonly clock: Clock;
  readonly logger: Logger;
}

const pageSize = 200;

/**
 * Gives events that were stored under other settings the end that they have by those of today. Once, beside other work;
 * what is stored from now on has it from the beginning.
 */
export function createHousekeeping({ events, endOf, clock, logger }: HousekeepingOptions): Service {
  const abort = new AbortController();
  let working: Promise<void> = Promise.resolve();

  const goThrough = async (): Promise<void> => {
    const everything = readFilter({});
    if (everything.kind !== "filter") throw new Error(everything.reason);
    const now = Math.floor(clock.nowMs() / 1_000);
    const stream = events.stream(everything.filter, { now, pageSize, isCancelled: () => abort.signal.aborted });
    const pace = createPace();
    for (;;) {
      const page = await stream.next();
      if (page.length === 0) return;
      const texts = await events.load(
        page.map(({ id }) => id),
        now,
      );
      const ends = new Map([...texts].flatMap(([id, raw]) => endIn(id, raw)));
      if (ends.size > 0) await events.write((unit) => unit.setEnds(ends));
      await pace();
    }
  };
  const endIn = (id: string, raw: string): [string, number][] => {
    const read = readEvent(JSON.parse(raw));
    const end = read.kind === "event" ? endOf(read.event) : undefined;
    return end === undefined ? [] : [[id, end]];
  };

  return createService({
    name: "relay housekeeping",
    async start() {
      working = goThrough().catch((error: unknown) =>
        logger.warn("ends of stored events could not be brought up to date", { error }),
      );
    },
    async stop() {
      abort.abort();
      await working;
    },
  });
}
