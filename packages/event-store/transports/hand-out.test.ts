import { silentLogger } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { HandOut } from "./hand-out.js";
import type { Lease } from "./transport.js";

/** What the worker was given, what went back, and what was warned of. */
function observed(handBack: () => Promise<void> = async () => {}) {
  const given: string[][] = [];
  const back: string[][] = [];
  const warnings: string[] = [];
  const handOut = new HandOut<Lease>({
    subscriber: "stats.count_jobs",
    turnsAhead: 2,
    logger: { ...silentLogger, warn: (message) => void warnings.push(message) },
    onBatch: (leases) => void given.push(idsOf(leases)),
    handBack: (leases) => {
      back.push(idsOf(leases));
      return handBack();
    },
  });
  return { handOut, given, back, warnings };
}

test("ES-203 claims reach the worker in their order, also where one waited for the next claim to begin", async () => {
  const { handOut, given, back } = observed();
  handOut.give([lease("a"), lease("b")], true);
  handOut.give([lease("c")], false);
  expect(handOut.coming).toBe(3);
  expect(given).toEqual([]);
  await handOut.idle();
  expect(given).toEqual([["a", "b"], ["c"]]);
  expect(back).toEqual([]);
  expect(handOut.coming).toBe(0);
});

test("ES-187 what the worker does not know of yet goes back when its consumer stops", async () => {
  const { handOut, given, back } = observed();
  handOut.give([lease("a")], false);
  await handOut.idle();
  handOut.give([lease("b")], true);
  handOut.stop();
  // A claim was under way.
  handOut.give([lease("c")], true);
  await handOut.idle();
  expect(given).toEqual([["a"]]);
  expect(back).toEqual([["b"], ["c"]]);
  expect(handOut.coming).toBe(0);
});

test("ES-187 an engine that takes nothing back is told of, and holds up no stop", async () => {
  const { handOut, back, warnings } = observed(() => Promise.reject(new Error("away")));
  handOut.stop();
  handOut.give([lease("a")], false);
  handOut.give([lease("b")], false);
  await handOut.idle();
  expect(back).toEqual([["a"], ["b"]]);
  expect(warnings).toEqual(Array(2).fill("deliveries could not be handed back; their leases run out"));
});

function lease(deliveryId: string): Lease {
  return {
    ...{ deliveryId, subscription: "stats.count_jobs/ci.job_finished", body: "{}", key: null, progress: null },
    ...{ attempts: 0, crashes: 0, crashesAlone: 0, dueAtMs: 0, firstDueAtMs: 0 },
  };
}

function idsOf(leases: readonly Lease[]): string[] {
  return leases.map(({ deliveryId }) => deliveryId);
}
