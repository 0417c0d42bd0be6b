import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { emptyItems, findNeeds, itemLayers, noItems, type SyncItems } from "./items.js";

const someItems = fc.uniqueArray(fc.constantFrom(..."abcdefghij"), { maxLength: 10 }).map((list) => new Set(list));
const items: fc.Arbitrary<SyncItems> = fc.record({ states: someItems, repositories: someItems, roots: someItems });

function unite(parts: readonly SyncItems[]): SyncItems {
  const united = emptyItems();
  for (const part of parts) for (const layer of itemLayers) for (const item of part[layer]) united[layer].add(item);
  return united;
}

describe("GR-213 what is needed", () => {
  test("GR-213 needs, pending and confirmed together hold everything wanted, and nothing is asked for twice", () => {
    fc.assert(
      fc.property(items, items, items, (wanted, pending, confirmed) => {
        const needs = findNeeds(wanted, pending, confirmed);
        for (const layer of itemLayers) {
          for (const item of needs[layer]) {
            expect(wanted[layer]).toContain(item);
            expect(pending[layer].has(item) || confirmed[layer].has(item)).toBe(false);
          }
          for (const item of wanted[layer])
            expect(needs[layer].has(item) || pending[layer].has(item) || confirmed[layer].has(item)).toBe(true);
        }
      }),
    );
  });

  test("GR-213 the order in which wishes arrive changes nothing in what is asked for in the end", () => {
    const ask = (wishes: readonly SyncItems[]): SyncItems => {
      let asked: SyncItems = noItems;
      let wanted: SyncItems = noItems;
      for (const wish of wishes) {
        wanted = unite([wanted, wish]);
        asked = unite([asked, findNeeds(wanted, asked, noItems)]);
      }
      return asked;
    };
    fc.assert(
      fc.property(fc.array(items, { maxLength: 5 }), (wishes) => {
        const forwards = ask(wishes);
        const backwards = ask([...wishes].reverse());
        for (const layer of itemLayers) expect([...forwards[layer]].sort()).toEqual([...backwards[layer]].sort());
      }),
    );
  });
});
