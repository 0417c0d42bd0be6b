import { createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import { createEventStore, type EventStore, type EventStoreOptions } from "./event-store.js";
import { createMemoryTransport, type MemoryTransport } from "./transports/memory.js";

export type TestStoreOptions = Pick<EventStoreOptions, "configure"> &
  Partial<Omit<EventStoreOptions, "configure" | "clock" | "transport">>;

/** An event store whose time stands still unless it is told to go on. */
export interface TestStore {
  readonly store: EventStore;
  readonly transport: MemoryTransport;
  readonly clock: VirtualClock;
  /** Resolves when nothing is running and nothing is ready. */
  runUntilIdle(): Promise<void>;
  /** Moves time forward and lets everything that falls due on the way run. */
  advanceBy(durationMs: number): Promise<void>;
}

/** A store on the memory transport with a virtual clock; failing conditions throw. Not started yet. */
export function createTestStore(options: TestStoreOptions): TestStore {
  const clock = createVirtualClock();
  const transport = createMemoryTransport({ clock });
  const store = createEventStore({
    source: "/test",
    errors: { condition: "throw", transport: "throw" },
    ...options,
    clock,
    transport,
  });
  return {
    store,
    transport,
    clock,
    runUntilIdle: () => transport.runUntilIdle(),
    advanceBy: (durationMs) => transport.advanceBy(durationMs),
  };
}
