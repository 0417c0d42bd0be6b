import type { Random } from "../../sync/ports.js";

/** Chance that repeats: the same seed, the same sequence. */
export interface SeededRandom extends Random {
  readonly seed: number;
  /** A whole number from 0 up to but without `count`. */
  below(count: number): number;
  /** A whole number between both, including them. */
  between(least: number, most: number): number;
  chance(probability: number): boolean;
  /** @throws {Error} when the list is empty */
  pick<T>(list: readonly T[]): T;
  /** A copy in another order. */
  shuffled<T>(list: readonly T[]): T[];
  /** Chance of its own, so that what one part draws does not change what another one gets. */
  fork(name: string): SeededRandom;
}

export function createSeededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  // A counter whose bits are mixed well: neighbouring seeds share nothing.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number): number => Math.floor(next() * count);
  return {
    seed,
    next,
    below,
    between: (least, most) => least + below(most - least + 1),
    chance: (probability) => next() < probability,
    pick(list) {
      const picked = list[below(list.length)];
      if (picked === undefined) throw new Error("there is nothing to pick from");
      return picked;
    },
    shuffled(list) {
      return list
        .map((item) => ({ item, place: next() }))
        .sort((one, other) => one.place - other.place)
        .map(({ item }) => item);
    },
    fork(name) {
      let mixed = seed;
      for (const letter of name) mixed = (Math.imul(mixed, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
      return createSeededRandom(mixed);
    },
  };
}
