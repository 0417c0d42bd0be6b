import {
  addressOf,
  compareNewestFirst,
  type Filter,
  formatAddress,
  isNewerVersion,
  matchesFilter,
  type VerifiedEvent,
} from "@signalbox/nostr";

/** What a relay has stored, in the plainest way: of several versions the newest. */
export interface EventSet {
  readonly size: number;
  /** False when it is known, or an older version. */
  add(event: VerifiedEvent): boolean;
  delete(id: string): void;
  has(id: string): boolean;
  ids(): string[];
  all(): VerifiedEvent[];
  /** Newest first; limits play no part. */
  query(filter: Filter): VerifiedEvent[];
}

export function createEventSet(initial: readonly VerifiedEvent[] = []): EventSet {
  const events = new Map<string, VerifiedEvent>();
  const versions = new Map<string, string>();
  const set: EventSet = {
    get size() {
      return events.size;
    },
    add(event) {
      if (events.has(event.id)) return false;
      const address = addressOf(event);
      if (address) {
        const current = events.get(versions.get(formatAddress(address)) ?? "");
        if (current && !isNewerVersion(event, current)) return false;
        if (current) events.delete(current.id);
        versions.set(formatAddress(address), event.id);
      }
      events.set(event.id, event);
      return true;
    },
    delete: (id) => void events.delete(id),
    has: (id) => events.has(id),
    ids: () => [...events.keys()],
    all: () => [...events.values()],
    query: (filter) => [...events.values()].filter((event) => matchesFilter(filter, event)).sort(compareNewestFirst),
  };
  for (const event of initial) set.add(event);
  return set;
}
