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

export function emptyItems(): Record<ItemLayer, Set<string>> {
  return { states: new Set(), repositories: new Set(), roots: new Set() };
}

/** Whether an item of a layer belongs to a set. */
export type ItemLookup = Readonly<Record<ItemLayer, Pick<ReadonlySet<string>, "has">>>;

/**
 * What has to be asked for: wanted, and neither being asked for nor proven synced. The only place that decides what is
 * subscribed to.
 */
export function findNeeds(wanted: SyncItems, pending: ItemLookup, confirmed: ItemLookup): SyncItems {
  const missing = (layer: ItemLayer): ReadonlySet<string> =>
    new Set([...wanted[layer]].filter((item) => !pending[layer].has(item) && !confirmed[layer].has(item)));
  return { states: missing("states"), repositories: missing("repositories"), roots: missing("roots") };
}
