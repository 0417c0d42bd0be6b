import { type Filter, matchesFilter, matchesNothing, type NostrEvent } from "@signalbox/nostr";
import { matchesSearch } from "../search.js";

/** Somebody who wants to hear of events. */
export interface Listener {
  readonly filters: readonly Filter[];
}

/** Finds the listeners of an event without asking each of them. */
export interface SubscriptionIndex<L extends Listener> {
  add(listener: L): void;
  remove(listener: L): void;
  /** Listeners of which a filter matches, each once, in the order in which they came. */
  matching(event: NostrEvent): L[];
}

interface Watch<L> {
  readonly listener: L;
  readonly filter: Filter;
  readonly order: number;
}

/**
 * Files each filter under the values of its most selective list. An event is looked up under its id, its tags, its author
 * and its kind; what is found there is then compared in full.
 */
export function createSubscriptionIndex<L extends Listener>(): SubscriptionIndex<L> {
  const shelves = new Map<string, Set<Watch<L>>>();
  const watches = new Map<L, readonly { readonly watch: Watch<L>; readonly keys: readonly string[] }[]>();
  let added = 0;

  const remove = (listener: L): void => {
    for (const { watch, keys } of watches.get(listener) ?? []) {
      for (const key of keys) {
        const shelf = shelves.get(key);
        shelf?.delete(watch);
        if (shelf?.size === 0) shelves.delete(key);
      }
    }
    watches.delete(listener);
  };

  return {
    add(listener) {
      remove(listener);
      added++;
      const own = listener.filters
        .filter((filter) => !matchesNothing(filter))
        .map((filter) => ({ watch: { listener, filter, order: added }, keys: keysOfFilter(filter) }));
      watches.set(listener, own);
      for (const { watch, keys } of own) {
        for (const key of keys) {
          const shelf = shelves.get(key);
          if (shelf) shelf.add(watch);
          else shelves.set(key, new Set([watch]));
        }
      }
    },
    remove,
    matching(event) {
      const found = new Map<L, number>();
      for (const key of keysOfEvent(event)) {
        for (const { listener, filter, order } of shelves.get(key) ?? []) {
          if (!found.has(listener) && matchesFilter(filter, event) && matchesSearch(filter, event))
            found.set(listener, order);
        }
      }
      return [...found].sort(([, one], [, other]) => one - other).map(([listener]) => listener);
    },
  };
}

const everything = "*";

function keysOfFilter({ ids, tags, authors, kinds }: Filter): string[] {
  if (ids) return [...ids].map((id) => `i${id}`);
  const [letter, values] = smallestTag(tags);
  if (letter !== undefined) return [...values].map((value) => `#${letter}${value}`);
  if (authors) return [...authors].map((author) => `a${author}`);
  if (kinds) return [...kinds].map((kind) => `k${kind}`);
  return [everything];
}

function smallestTag(tags: Filter["tags"]): [string | undefined, ReadonlySet<string>] {
  const [smallest] = [...tags].sort(([, one], [, other]) => one.size - other.size);
  return smallest ?? [undefined, new Set()];
}

function keysOfEvent(event: NostrEvent): Set<string> {
  const keys = new Set([everything, `i${event.id}`, `a${event.pubkey}`, `k${event.kind}`]);
  for (const [name, value] of event.tags) if (name?.length === 1 && value !== undefined) keys.add(`#${name}${value}`);
  return keys;
}
