import type { Metrics } from "@signalbox/kernel";

/** Work that waits, as its owner sees it. Asked at each scrape; what it throws leaves the last values standing. */
export interface QueueProbe {
  readonly queue: string;
  /** Items that wait. */
  depth(): number | Promise<number>;
  /** How long the oldest waiting item has waited, in seconds; 0 when none waits. */
  oldestAgeSeconds(): number | Promise<number>;
}

/** Shows depth and oldest age of every queue under one pair of names. */
export function observeQueues(metrics: Metrics, probes: readonly QueueProbe[]): void {
  const known = probes.map(({ queue }) => ({ queue }));
  metrics.gauge({
    name: "signalbox_queue_items",
    help: "Items that wait to be processed.",
    labels: ["queue"],
    known,
    async collect(gauge) {
      await Promise.all(probes.map(async (probe) => gauge.set(await probe.depth(), { queue: probe.queue })));
    },
  });
  metrics.gauge({
    name: "signalbox_queue_oldest_item_age_seconds",
    help: "How long the oldest item has waited to be processed.",
    labels: ["queue"],
    known,
    async collect(gauge) {
      await Promise.all(probes.map(async (probe) => gauge.set(await probe.oldestAgeSeconds(), { queue: probe.queue })));
    },
  });
}
