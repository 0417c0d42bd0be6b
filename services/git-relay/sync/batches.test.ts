import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BatchLedger } from "./batches.js";
import { announcementPortion } from "./filters.js";
import { itemLayers, noItems, type SyncItems } from "./items.js";

const wanted: SyncItems = {
  states: new Set(["one", "two"]),
  repositories: new Set(Array.from({ length: 150 }, (_, index) => `address ${index}`)),
  roots: new Set(["root"]),
};
const fill = (ledger: BatchLedger) => {
  ledger.want(wanted);
  return ledger.needs(100).map((portion) => ledger.add({ portion, method: "req_eose" }));
};

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
          expect(ledger.needs(100)).toEqual([]);
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
    expect(ledger.confirmed).toEqual(noItems);
    expect(ledger.needs(100)).toHaveLength(4);
  });

  test("GR-300 the items of a batch that failed for good are neither confirmed nor asked for again by themselves", () => {
    const ledger = new BatchLedger(() => 0);
    const [first, ...others] = fill(ledger);
    if (!first) throw new Error("there is a batch");
    first.failed = true;
    for (const batch of others) ledger.confirm(batch);
    expect([ledger.isSettled, ledger.hasFailures]).toEqual([true, true]);
    expect(ledger.needs(100)).toEqual([]);
    expect(ledger.confirmed.states.size).toBe(0);
  });

  test("what is wanted no more is forgotten, and asked for again when it is wanted again", () => {
    const ledger = new BatchLedger(() => 0);
    for (const batch of fill(ledger)) ledger.confirm(batch);
    const fewer = { ...wanted, states: new Set(["one"]) };
    ledger.want(fewer);
    expect(ledger.confirmed).toEqual(fewer);
    ledger.want(wanted);
    expect(ledger.needs(100)).toEqual([{ layer: "states", values: ["two"] }]);
  });

  test("what is asked for again, or everything, is no longer proven", () => {
    const ledger = new BatchLedger(() => 0);
    for (const batch of fill(ledger)) ledger.confirm(batch);
    ledger.unconfirm({ ...noItems, states: new Set(["one", "never wanted"]) });
    expect(ledger.needs(100)).toEqual([{ layer: "states", values: ["one"] }]);
    ledger.clear();
    expect(ledger.needs(100)).toHaveLength(4);
  });
});
