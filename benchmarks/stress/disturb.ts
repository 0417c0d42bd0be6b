import assert from "node:assert/strict";
import type { Delivery, SettleItem, Transport } from "@signalbox/event-store";
import type { SeededRandom } from "./random.js";

const repeatChance = 0.3;

/**
 * The transport as an unreliable world shows it: accepted deliveries and settlements arrive twice, and batches come in
 * another order. None of it may be noticed by whoever uses it.
 */
export function disturb(inner: Transport, random: SeededRandom): Transport {
  const disturbed: Partial<Transport> = {
    async enqueue(deliveries, options) {
      const results = await inner.enqueue(deliveries, options);
      const accepted = deliveries.filter((_, index) => results[index] === "enqueued");
      if (accepted.length > 0 && random.chance(repeatChance)) await repeatEnqueue(inner, accepted);
      return results;
    },
    consume: (spec, onBatch) => inner.consume(spec, (leases) => onBatch(random.shuffled(leases))),
    async settle(items) {
      const results = await inner.settle(items);
      if (items.length > 0 && random.chance(repeatChance)) await repeatSettle(inner, items);
      return results;
    },
  };
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(disturbed, name) ?? Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function repeatEnqueue(inner: Transport, deliveries: readonly Delivery[]): Promise<void> {
  assert.deepEqual(
    await inner.enqueue(deliveries),
    deliveries.map(() => "duplicate"),
  );
}

async function repeatSettle(inner: Transport, items: readonly SettleItem[]): Promise<void> {
  assert.deepEqual(
    await inner.settle(items),
    items.map(() => "lease_lost"),
  );
}
