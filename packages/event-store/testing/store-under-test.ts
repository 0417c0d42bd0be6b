import type { EventStore } from "../event-store.js";
import type { TestStore } from "../test-store.js";
import { internalsOf, type StoreInternals } from "../watch.js";

/** Any store of this package, or what `createTestStore` returned. */
export type StoreUnderTest = EventStore | Pick<TestStore, "store">;

export function storeOf(given: StoreUnderTest): EventStore {
  return "store" in given ? given.store : given;
}

/** @throws {TypeError} for something that no `createEventStore` of this package has made. */
export function partsOf(store: EventStore, caller: string): StoreInternals {
  const internals = internalsOf(store);
  if (internals) return internals;
  throw new TypeError(`${caller} needs a store made by createEventStore or createTestStore`);
}
