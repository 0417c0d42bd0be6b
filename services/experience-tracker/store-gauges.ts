import { type ExperienceStore, openKey, type StoreHealth } from "@signalbox/experience";
import type { Clock, Logger, Metrics } from "@signalbox/kernel";
import type { StoreWatch } from "./heartbeat.js";
import { createLoop, type Loop } from "./loop.js";

export interface StoreGaugesOptions {
  readonly store: ExperienceStore;
  /** `sql`, `redis`, `memory`. */
  readonly storeName: string;
  readonly maxOutbox: number;
  /** Knows whether the store takes what is written: one whose disk is full still answers. */
  readonly watch: Pick<StoreWatch, "down">;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface StoreGauges {
  readonly service: Loop["service"];
  /** Whether more records wait for being published than may. */
  isBacklogFull(): boolean;
}

const lookEveryMs = 1_000;

/** Looks at the store once a second, for the metrics and for the limit of what may wait. */
export function createStoreGauges(options: StoreGaugesOptions): StoreGauges {
  const { store, storeName, watch, metrics, clock, logger } = options;
  const up = metrics.gauge({
    name: "signalbox_experience_store_up",
    help: "Whether the state store answers and takes what is written.",
    labels: ["store"],
    known: [{ store: storeName }],
  });
  const open = metrics.gauge({
    name: "signalbox_experience_open",
    help: "Runs that have no verdict yet, by state.",
    labels: ["state"],
    known: [{ state: "open" }, { state: "orphan" }],
  });
  const overdue = metrics.gauge({
    name: "signalbox_experience_oldest_overdue_seconds",
    help: "How long the run that is overdue longest has been; 0 when none is.",
  });
  const outboxRecords = metrics.gauge({
    name: "signalbox_experience_outbox_records",
    help: "Records that wait for being published.",
  });
  const outboxOldest = metrics.gauge({
    name: "signalbox_experience_outbox_oldest_seconds",
    help: "Age of the record that waits longest for being published.",
  });
  let health: StoreHealth | undefined;

  const look = async (): Promise<void> => {
    health = await store.health();
    const { nowMs, nextDueMs, outboxOldestAtMs } = health;
    const counters = await store.counters();
    for (const state of ["open", "orphan"] as const) open.set(counters.get(openKey(state)) ?? 0, { state });
    overdue.set(nextDueMs === undefined ? 0 : Math.max(0, nowMs - nextDueMs) / 1000);
    outboxRecords.set(health.outboxRecords);
    outboxOldest.set(outboxOldestAtMs === undefined ? 0 : Math.max(0, nowMs - outboxOldestAtMs) / 1000);
    up.set(watch.down === undefined ? 1 : 0, { store: storeName });
  };

  const { service } = createLoop({
    name: "experience store gauges",
    clock,
    logger,
    async round() {
      await look();
      return lookEveryMs;
    },
    pauseAfterFailureMs: lookEveryMs,
    onFailure: () => up.set(0, { store: storeName }),
  });
  return { service, isBacklogFull: () => (health?.outboxRecords ?? 0) > options.maxOutbox };
}
