import { createUlidFactory, type VirtualClock } from "@signalbox/kernel";
import type { CounterKey, ExperienceStore, OutboxItem, Rules, Run } from "../index.js";

/** A new, empty store of the adapter under test, on a clock that only moves when told to. */
export interface StoreUnderTest {
  readonly store: ExperienceStore;
  readonly clock: VirtualClock;
  /** Opens the same data once more, as another process would; on the same clock. */
  another(): Promise<ExperienceStore>;
  /** Closes everything and removes the data. */
  destroy(): Promise<void>;
}

export interface StoreContractOptions {
  readonly name: string;
  create(options: { readonly rules?: Partial<Rules> }): Promise<StoreUnderTest>;
  /** Promises that this adapter does not make. */
  readonly cannot?: readonly StoreOptOut[];
}

/** `share`: a second process on the same data. */
export type StoreOptOut = "share";

/** Correlation ids of the suite's own time. */
export function ulidsOf(clock: VirtualClock): () => string {
  return createUlidFactory(() => clock.nowMs());
}

export async function reapAll(store: ExperienceStore): Promise<Run[]> {
  const decided: Run[] = [];
  for (let more = true; more; ) {
    const result = await store.claimDue(100);
    decided.push(...result.decided);
    more = result.more;
  }
  return decided;
}

export async function drainOutbox(store: ExperienceStore): Promise<OutboxItem[]> {
  const items: OutboxItem[] = [];
  for (;;) {
    const taken = await store.takeOutbox(500);
    if (taken.length === 0) return items;
    items.push(...taken);
    await store.ackOutbox(taken.map(({ id }) => id));
  }
}

/** What rose between two readings of the counters. */
export function risesBetween(
  before: ReadonlyMap<CounterKey, number>,
  after: ReadonlyMap<CounterKey, number>,
): Map<CounterKey, number> {
  const rises = new Map<CounterKey, number>();
  for (const [key, value] of after) {
    const rise = value - (before.get(key) ?? 0);
    if (rise !== 0) rises.set(key, rise);
  }
  return rises;
}
