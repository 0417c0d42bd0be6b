import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BatchLedger } from "./batches.js";
import { announcementPortion } from "./filters.js";
import { itemLayers, type SyncItems, unite } from "./items.js";

const wanted: SyncItems = {
  states: new Set(["one", "two"]),
  repositories: new Set(Array.from({ length: 150 }, (_, index) => `address ${index}`)),
  roots: new Set(["root"]),
};
const fill = (ledger: BatchLedger) =>
  ledger.needs(wanted, 100).map((portion) => ledger.add({ portion, method: "req_eose" }));

describe("batches of a peer", () => {
  test("GR-214 a batch without items is that of the announcements", () => {
    const ledger = new BatchLedger(() => 0);
    const batch = ledger.add({ portion: announcementPortion, method: "negentropy" });
    expect(ledger.announcementsSynced).toBe(false);
    expect(ledger.confirm(batch)).toBe(true);
    expect(ledger.announcementsSynced).toBe(true);
  });

  test("GR-214 batches are confirmed in any order, and in the end everything wanted is confirmed once", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (numbers) => {
        const ledger = new BatchLedger(() => 0);
        const open = fill(ledger);
        while (open.length > 0) {
          const [next] = open.splice((numbers.next().value ?? 0) % open.length, 1);
          if (next) expect(ledger.confirm(next)).toBe(true);
          expect(ledger.needs(wanted, 100)).toEqual([]);
        }
        for (const layer of itemLayers) expect([...ledger.confirmed[layer]].sort()).toEqual([...wanted[layer]].sort());
        expect(ledger.isSettled).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test("GR-214 the late end of a dropped batch has no effect", () => {
    const ledger = new BatchLedger(() => 0);
    const batches = fill(ledger);
    expect(ledger.drop()).toEqual(batches);
    for (const batch of batches) expect(ledger.confirm(batch)).toBe(false);
    expect(ledger.confirmed).toEqual(unite([]));
    expect(ledger.needs(wanted, 100)).toHaveLength(4);
  });

  test("GR-300 the items of a batch that failed for good are neither confirmed nor asked for again by themselves", () => {
    const ledger = new BatchLedger(() => 0);
    const [first, ...others] = fill(ledger);
    if (!first) throw new Error("there is a batch");
    first.failed = true;
    for (const batch of others) ledger.confirm(batch);
    expect([ledger.isSettled, ledger.hasFailures]).toEqual([true, true]);
    expect(ledger.needs(wanted, 100)).toEqual([]);
    expect(ledger.confirmed.states.size).toBe(0);
  });
});
