import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { announcementPortion, cut, filtersOf, hashFilters, portionsOf } from "./filters.js";
import { itemLayers, type SyncItems } from "./items.js";

const items = (prefix: string, count: number): Set<string> =>
  new Set(Array.from({ length: count }, (_, index) => `${prefix}${index}`));

describe("filters of the layers", () => {
  test("GR-260 announcements and grasp lists are one filter, whatever is wanted", () => {
    expect(filtersOf(announcementPortion)).toEqual([{ kinds: [30_617, 10_317] }]);
  });

  test("GR-261 states are asked for by up to 100 identifiers", () => {
    const [first, second, ...more] = portionsOf(
      { states: items("s", 150), repositories: new Set(), roots: new Set() },
      100,
    );
    expect(more).toEqual([]);
    expect(first && filtersOf(first)).toEqual([{ kinds: [30_618], "#d": [...items("s", 100)] }]);
    expect(second?.values).toHaveLength(50);
  });

  test("GR-262 events of repositories are asked for by up to 100 addresses in three filters", () => {
    const portions = portionsOf({ states: new Set(), repositories: items("r", 101), roots: new Set() }, 100);
    expect(portions.map(({ values }) => values.length)).toEqual([100, 1]);
    expect(filtersOf({ layer: "repositories", values: ["x"] })).toEqual([
      { "#a": ["x"] },
      { "#A": ["x"] },
      { "#q": ["x"] },
    ]);
  });

  test("GR-263 conversations are asked for by up to 100 root events in three filters", () => {
    const portions = portionsOf({ states: new Set(), repositories: new Set(), roots: items("e", 230) }, 100);
    expect(portions.map(({ values }) => values.length)).toEqual([100, 100, 30]);
    expect(filtersOf({ layer: "roots", values: ["x"] })).toEqual([{ "#e": ["x"] }, { "#E": ["x"] }, { "#q": ["x"] }]);
  });

  test("cutting keeps every item exactly once", () => {
    const some = fc.nat({ max: 250 });
    fc.assert(
      fc.property(some, some, some, fc.integer({ min: 10, max: 100 }), (states, repositories, roots, size) => {
        const all: SyncItems = {
          states: items("s", states),
          repositories: items("r", repositories),
          roots: items("e", roots),
        };
        const portions = portionsOf(all, size);
        for (const layer of itemLayers) {
          const values = portions.filter((portion) => portion.layer === layer).flatMap((portion) => portion.values);
          expect(values).toEqual([...all[layer]]);
        }
        expect(portions.every(({ values }) => values.length > 0 && values.length <= size)).toBe(true);
      }),
    );
  });

  test("the hash depends on what is asked for, not on how it is cut", () => {
    const whole = { layer: "roots", values: ["a", "b", "c"] } as const;
    expect(hashFilters(cut(whole, 1))).toBe(hashFilters([whole]));
    expect(hashFilters([{ layer: "roots", values: ["a", "b"] }])).not.toBe(hashFilters([whole]));
    expect(hashFilters([{ layer: "states", values: ["a", "b", "c"] }])).not.toBe(hashFilters([whole]));
  });
});
