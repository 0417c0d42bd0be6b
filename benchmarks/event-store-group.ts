import { type Benchmark, scaled } from "./harness.js";
import { resultOf } from "./load/program.js";

const events = scaled(100_000);

/** What a large group does to the process that publishes it. */
export const eventStoreGroup: Benchmark = {
  name: "event-store-group",
  proves: ["ES-909"],
  async run(report) {
    const result = await resultOf("publish-group", [String(events)]);
    const workload = `publishGroup of ${events} events of 512 bytes, SQLite, in a process of its own`;
    report({
      workload: `${workload}: longest time that the event loop stood still`,
      measured: { value: result["longestMs"] ?? Number.NaN, unit: "ms, at most" },
      target: 50,
      notes: { p99_ms: Math.round(result["p99Ms"] ?? 0), events_per_second: Math.round(result["perSecond"] ?? 0) },
    });
    report({
      workload: `${workload}: most memory, the events included`,
      measured: { value: result["rssMiB"] ?? Number.NaN, unit: "MiB, at most" },
      target: 300,
    });
  },
};
