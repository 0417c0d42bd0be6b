import { join } from "node:path";
import type { Database } from "@signalbox/database";
import { createSqlTransport } from "@signalbox/event-store";
import { type Benchmark, scaled } from "./harness.js";
import { fillQueue } from "./load/fill-queue.js";
import { resultOf } from "./load/program.js";
import { withSqlite } from "./load/temporary-sqlite.js";

const large = scaled(1_000_000);
const small = 1_000;
/** Of the short queue as well: it is filled again whenever it is empty. */
const handled = scaled(20_000);

function run(count: number): Promise<Readonly<Record<string, number>>> {
  return withSqlite(async (database: Database, directory) => {
    const transport = createSqlTransport({ database });
    await transport.open();
    await fillQueue(transport, 0, count);
    await transport.close();
    return resultOf("work-backlog", [join(directory, "bench.sqlite"), String(count), String(handled)]);
  });
}

/** Whether a long queue makes each look into it longer. */
export const eventStoreBacklog: Benchmark = {
  name: "event-store-backlog",
  proves: ["ES-913"],
  async run(report) {
    const few = await run(small);
    const many = await run(large);
    report({
      workload: `a claim out of ${large} waiting deliveries of 512 bytes, SQLite, p99 of ${many["claims"]} claims`,
      measured: { value: many["p99Ms"] ?? Number.NaN, unit: "ms, at most" },
      peer: { name: `the same with ${small}`, value: few["p99Ms"] ?? Number.NaN },
      targetRatio: 2,
      notes: {
        p50_ms: Number((many["p50Ms"] ?? 0).toPrecision(3)),
        p50_ms_of_the_short_queue: Number((few["p50Ms"] ?? 0).toPrecision(3)),
      },
    });
    report({
      workload: `a worker process on ${large} waiting deliveries`,
      measured: { value: many["rssMiB"] ?? Number.NaN, unit: "MiB, at most" },
      target: 200,
    });
  },
};
