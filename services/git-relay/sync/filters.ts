import { createHash } from "node:crypto";
import { type FilterJson, kinds } from "@signalbox/nostr";
import { type ItemLayer, itemLayers, type SyncItems } from "./items.js";
import type { SyncLayer } from "./snapshot.js";

/** Values in the list of one filter, to begin with. */
export const maxFilterValues = 100;
/** Below this no peer is asked with smaller filters. */
export const minFilterValues = 10;

const tagsOfLayer: Readonly<Record<ItemLayer, readonly string[]>> = {
  states: ["#d"],
  repositories: ["#a", "#A", "#q"],
  roots: ["#e", "#E", "#q"],
};

/** Some items of one layer, few enough for one list. */
export interface Portion {
  readonly layer: SyncLayer;
  /** Empty for the announcements. */
  readonly values: readonly string[];
}

export const announcementPortion: Portion = { layer: "announcements", values: [] };

/** The filters that everything about a portion matches. */
export function filtersOf({ layer, values }: Portion): readonly FilterJson[] {
  if (layer === "announcements") return [{ kinds: [kinds.announcement, kinds.graspList] }];
  const ofKind: FilterJson = layer === "states" ? { kinds: [kinds.state] } : {};
  return tagsOfLayer[layer].map((tag) => ({ ...ofKind, [tag]: values }));
}

/** Cuts items into portions of at most `size` values, layer by layer. */
export function portionsOf(items: SyncItems, size: number): readonly Portion[] {
  return itemLayers.flatMap((layer) => cut({ layer, values: [...items[layer]] }, size));
}

/** Cuts a portion into ones of at most `size` values. */
export function cut({ layer, values }: Portion, size: number): readonly Portion[] {
  if (layer === "announcements") return [announcementPortion];
  const portions: Portion[] = [];
  for (let from = 0; from < values.length; from += size)
    portions.push({ layer, values: values.slice(from, from + size) });
  return portions;
}

/** Tells whether two syncs asked for the same, however it was cut. */
export function hashFilters(portions: Iterable<Portion>): string {
  const lines = [...portions].flatMap(({ layer, values }) =>
    values.length === 0 ? [layer] : values.map((value) => JSON.stringify([layer, value])),
  );
  const hash = createHash("sha256");
  for (const line of [...new Set(lines)].sort()) hash.update(`${line}\n`);
  return hash.digest("hex").slice(0, 16);
}
