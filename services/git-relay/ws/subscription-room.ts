import { countFilterValues, type Filter } from "@signalbox/nostr";

/** Open subscriptions stay in memory, so there is room for so many of one address, and of all together. */
export interface SubscriptionRoom {
  openConnection(address: string): ConnectionRoom;
}

/** What one connection has of it. */
export interface ConnectionRoom {
  /** Takes room for a subscription with these filters. */
  take(filters: readonly Filter[]): TakenRoom;
}

export type TakenRoom =
  /** `free` gives it back, once. */
  | { readonly kind: "taken"; free(): void }
  /** Who has none left. */
  | { readonly kind: "full"; readonly whose: "address" | "relay" };

export interface SubscriptionRoomOptions {
  readonly maxFilters: number;
  /** 0: no limit. */
  readonly maxFiltersPerAddress: number;
}

/** Values that need about as much memory as a filter. */
const valuesOfFilter = 20;
/** A connection with no more than so many filters does not suffer from its neighbours at the same address. */
const modestFilters = 20;

export function createSubscriptionRoom({
  maxFilters,
  maxFiltersPerAddress,
}: SubscriptionRoomOptions): SubscriptionRoom {
  const takenBy = new Map<string, number>();
  let taken = 0;
  return {
    openConnection(address) {
      let own = 0;
      const add = (size: number): void => {
        own += size;
        taken += size;
        const ofAddress = (takenBy.get(address) ?? 0) + size;
        if (ofAddress > 0) takenBy.set(address, ofAddress);
        else takenBy.delete(address);
      };
      return {
        take(filters) {
          const size = sizeOf(filters);
          const isModest = maxFiltersPerAddress === 0 || own + size <= modestFilters;
          if (!isModest && (takenBy.get(address) ?? 0) + size > maxFiltersPerAddress)
            return { kind: "full", whose: "address" };
          if (taken + size > maxFilters) return { kind: "full", whose: "relay" };
          add(size);
          return { kind: "taken", free: () => add(-size) };
        },
      };
    },
  };
}

/** In filters: long lists count as several. */
function sizeOf(filters: readonly Filter[]): number {
  return filters.reduce((sum, filter) => sum + 1 + Math.floor(countFilterValues(filter) / valuesOfFilter), 0);
}
