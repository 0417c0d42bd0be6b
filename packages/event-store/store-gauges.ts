import type { Clock } from "@signalbox/kernel";
import type { GaugeSources } from "./metrics.js";
import type { Outbox } from "./outbox/outbox.js";
import type { Records } from "./records/records.js";
import type { FrozenRegistry } from "./registry.js";
import type { QueueDepth, Transport } from "./transports/transport.js";

export interface GaugeDependencies {
  readonly registry: FrozenRegistry;
  readonly transport: Transport;
  readonly records: Records;
  readonly clock: Clock;
  readonly outbox: Outbox | undefined;
  readonly isOpen: () => boolean;
}

/** As exact as depths are promised to be. */
const maxLookAgeMs = 1000;

/** Reads the gauges when they are asked for. A store that is not open, or not any more, leaves them as they are. */
export function storeGauges({ registry, transport, records, clock, outbox, isOpen }: GaugeDependencies): GaugeSources {
  // Two gauges show what one look at a long queue finds: the second of a scrape takes what the first has asked for.
  const asked = new Map<string, { readonly by: string; readonly atMs: number; readonly depth: Promise<QueueDepth> }>();
  const depthFor = (gauge: "deliveries" | "oldestReady", subscriber: string): Promise<QueueDepth> => {
    const before = asked.get(subscriber);
    const nowMs = clock.monotonicMs();
    asked.delete(subscriber);
    if (before !== undefined && before.by !== gauge && nowMs - before.atMs < maxLookAgeMs) return before.depth;
    const depth = transport.depth(subscriber);
    asked.set(subscriber, { by: gauge, atMs: nowMs, depth });
    // Whoever waits for it hears of it; nobody else has to.
    depth.catch(() => asked.delete(subscriber));
    return depth;
  };

  return {
    async deliveries(gauge) {
      if (!isOpen()) return;
      for (const { subscriber } of registry.subscribers) {
        const depth = await depthFor("deliveries", subscriber.name);
        for (const state of ["ready", "scheduled", "running", "blocked"] as const)
          gauge.set(depth[state], { subscriber: subscriber.name, state });
      }
    },
    async oldestReady(gauge) {
      if (!isOpen()) return;
      for (const { subscriber } of registry.subscribers) {
        const { oldestReadyMs } = await depthFor("oldestReady", subscriber.name);
        const ageMs = oldestReadyMs === null ? 0 : Math.max(0, clock.nowMs() - oldestReadyMs);
        gauge.set(ageMs / 1_000, { subscriber: subscriber.name });
      }
    },
    async deadLetters(gauge) {
      if (!isOpen()) return;
      const counts = await records.deadLetters.counts();
      for (const { id } of registry.subscriptions) gauge.set(counts.get(id) ?? 0, { subscription: id });
    },
    async outboxPending(gauge) {
      if (!isOpen()) return;
      gauge.set((await outbox?.status())?.pending ?? 0);
    },
    async outboxLag(gauge) {
      if (!isOpen()) return;
      gauge.set(((await outbox?.status())?.lagMs ?? 0) / 1_000);
    },
  };
}
