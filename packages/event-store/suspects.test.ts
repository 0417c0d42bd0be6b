import { expect, test } from "vitest";
import { Suspects } from "./suspects.js";
import type { Lease } from "./transports/transport.js";

const batch = { maxSize: 1_000, maxWaitMs: 500, maxBytes: null, joinGroups: false };

test("ES-169 among a thousand left behind the guilty one is alone after three more crashes; the others are acquitted in groups", () => {
  const guilty = "id-617";
  let suspects = Array.from({ length: 1_000 }, (_, index) => suspected(`id-${index}`, 2));
  const acquitted: string[] = [];
  let crashes = 0;
  let calls = 0;
  let lonely: Lease | undefined;
  while (!lonely) {
    const line = new Suspects(batch);
    for (const lease of suspects) line.push(lease, lease.crashes);
    suspects = [];
    while (line.size > 0 && !lonely) {
      const { leases, alone } = line.take();
      calls++;
      if (!leases.some(({ deliveryId }) => deliveryId === guilty))
        acquitted.push(...leases.map((lease) => lease.deliveryId));
      else if (alone) [lonely] = leases;
      else {
        crashes++;
        // The process dies with all that it holds; what no call had begun may be counted, too.
        const held = [...leases, ...line.takeAll()];
        suspects = held.map(({ deliveryId, crashes: before }) => suspected(deliveryId, before + 1));
      }
    }
  }
  expect(lonely.deliveryId).toBe(guilty);
  expect(crashes).toBe(3);
  expect(calls).toBeLessThan(30);
  expect(new Set(acquitted).size).toBe(acquitted.length);
});

test("ES-169 who died alone stays alone, and without batches everybody is from the start", () => {
  const inBatches = new Suspects(batch);
  inBatches.push(suspected("once-alone", 2, 1), 2);
  inBatches.push(suspected("in-company", 2), 2);
  expect(inBatches.take()).toMatchObject({ leases: [{ deliveryId: "once-alone" }], alone: true });
  expect(inBatches.take()).toMatchObject({ leases: [{ deliveryId: "in-company" }], alone: false });
  expect(inBatches.size).toBe(0);

  const single = new Suspects(null);
  single.push(suspected("first", 2), 2);
  single.push(suspected("second", 2), 2);
  expect(single.take()).toMatchObject({ leases: [{ deliveryId: "first" }], alone: true });
  expect(single.take()).toMatchObject({ leases: [{ deliveryId: "second" }], alone: true });
  expect(single.take()).toEqual({ leases: [], alone: false });
});

test("ES-169 a suspect whose lease is lost waits no longer; all may be handed back at once", () => {
  const suspects = new Suspects(batch);
  const lost = suspected("lost", 2);
  suspects.push(lost, 2);
  suspects.remove(lost);
  expect(suspects.size).toBe(0);
  suspects.push(suspected("twice", 2), 2);
  suspects.push(suspected("often", 9), 9);
  expect(suspects.takeAll().map(({ deliveryId }) => deliveryId)).toEqual(["twice", "often"]);
  expect(suspects.size).toBe(0);
});

function suspected(deliveryId: string, crashes: number, crashesAlone = 0): Lease {
  return {
    deliveryId,
    crashes,
    crashesAlone,
    subscription: "notes.remember_builds/ci.build_finished",
    key: null,
    attempts: 0,
    firstDueAtMs: 0,
    dueAtMs: 0,
    progress: null,
    body: "{}",
    unreadable: undefined,
  };
}
