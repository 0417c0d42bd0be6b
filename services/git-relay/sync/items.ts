import type { SyncLayer } from "./snapshot.js";

/** Layers whose filters name what is synced; the announcements are asked for as a whole. */
export type ItemLayer = Exclude<SyncLayer, "announcements">;
export const itemLayers: readonly ItemLayer[] = ["states", "repositories", "roots"];

/**
 * What is synced from a peer: identifiers whose states, addresses of repositories whose events, and ids of root events
 * whose conversations.
 */
export type SyncItems = Readonly<Record<ItemLayer, ReadonlySet<string>>>;

const none: ReadonlySet<string> = new Set();
export const noItems: SyncItems = Object.freeze({ states: none, repositories: none, roots: none });

export function countItems(items: SyncItems): number {
  return itemLayers.reduce((sum, layer) => sum + items[layer].size, 0);
}

export function unite(parts: Iterable<SyncItems>): SyncItems {
  const united = { states: new Set<string>(), repositories: new Set<string>(), roots: new Set<string>() };
  for (const part of parts) {
    for (const layer of itemLayers) for (const item of part[layer]) united[layer].add(item);
  }
  return united;
}

export function intersect(one: SyncItems, other: SyncItems): SyncItems {
  const both = (layer: ItemLayer): ReadonlySet<string> =>
    new Set([...one[layer]].filter((item) => other[layer].has(item)));
  return { states: both("states"), repositories: both("repositories"), roots: both("roots") };
}

/**
 * What has to be asked for: wanted, and neither being asked for nor proven synced. The only place that decides what is
 * subscribed to.
 */
export function findNeeds(wanted: SyncItems, pending: SyncItems, confirmed: SyncItems): SyncItems {
  const missing = (layer: ItemLayer): ReadonlySet<string> =>
    new Set([...wanted[layer]].filter((item) => !pending[layer].has(item) && !confirmed[layer].has(item)));
  return { states: missing("states"), repositories: missing("repositories"), roots: missing("roots") };
}
