import type { ExperienceStore } from "@signalbox/experience";
import type { Clock, Metrics } from "@signalbox/kernel";

const timed = ["apply", "claimDue", "get", "list", "counters", "takeOutbox", "ackOutbox", "heartbeat"] as const;

/** The same store, with the duration of its operations measured. */
export function timedStore(store: ExperienceStore, metrics: Metrics, clock: Clock): ExperienceStore {
  const duration = metrics.histogram({
    name: "signalbox_experience_store_operation_duration_seconds",
    help: "Duration of the operations of the state store.",
    labels: ["operation"],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    known: timed.map((operation) => ({ operation })),
  });
  const measured = <Args extends readonly unknown[], T>(
    operation: (typeof timed)[number],
    work: (...args: Args) => Promise<T>,
  ): ((...args: Args) => Promise<T>) => {
    const labels = Object.freeze({ operation });
    return async (...args) => {
      const startedMs = clock.monotonicMs();
      try {
        return await work(...args);
      } finally {
        duration.observe((clock.monotonicMs() - startedMs) / 1000, labels);
      }
    };
  };
  return {
    ...store,
    apply: measured("apply", store.apply),
    claimDue: measured("claimDue", store.claimDue),
    get: measured("get", store.get),
    list: measured("list", store.list),
    counters: measured("counters", store.counters),
    takeOutbox: measured("takeOutbox", store.takeOutbox),
    ackOutbox: measured("ackOutbox", store.ackOutbox),
    heartbeat: measured("heartbeat", store.heartbeat),
  };
}
