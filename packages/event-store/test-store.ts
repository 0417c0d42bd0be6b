import { createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import { createEventStore, type EventStore } from "./event-store.js";
import type { EventStoreOptions } from "./store-options.js";
import { createTestClock, type TestClock } from "./testing/test-clock.js";
import { createMemoryTransport, type MemoryTransport } from "./transports/memory.js";

export type TestStoreOptions = Pick<EventStoreOptions, "configure"> &
  Partial<Omit<EventStoreOptions, "configure" | "clock" | "transport">>;

/** An event store whose time stands still unless it is told to go on. */
export interface TestStore {
  readonly store: EventStore;
  readonly transport: MemoryTransport;
  /** The store's time. What a handler under test waits for should be waited for on this clock. */
  readonly clock: VirtualClock;
  /** Resolves when nothing is running and nothing is ready. */
  runUntilIdle(): Promise<void>;
  /** Moves time forward and lets everything that falls due on the way run. */
  advanceBy(durationMs: number): Promise<void>;
}

/**
 * A store on the memory transport with a virtual clock; failing conditions throw. Not started yet; once stopped it
 * leaves no timer behind.
 */
export function createTestStore(options: TestStoreOptions): TestStore {
  const time = createVirtualClock();
  const clock = createTestClock(time);
  const transport = createMemoryTransport({ clock: time });
  const store = createEventStore({
    source: "/test",
    errors: { condition: "throw", transport: "throw" },
    ...options,
    clock: time,
    transport,
  });
  testTimes.set(store, { transport, clock });
  return {
    store,
    transport,
    clock,
    runUntilIdle: () => transport.runUntilIdle(),
    advanceBy: (durationMs) => transport.advanceBy(durationMs),
  };
}

/** What moves the time of a test store. */
export interface TestTime {
  readonly transport: MemoryTransport;
  readonly clock: TestClock;
}

const testTimes = new WeakMap<EventStore, TestTime>();

export function testTimeOf(store: EventStore): TestTime | undefined {
  return testTimes.get(store);
}
