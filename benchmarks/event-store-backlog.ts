import { join } from "node:path";
import type { Database } from "@signalbox/database";
import { createSqlTransport, type Delivery, type Transport } from "@signalbox/event-store";
import { type Benchmark, scaled } from "./harness.js";
import { createJobStore, jobFinished, jobPayload } from "./load/job-events.js";
import { resultOf } from "./load/program.js";
import { withSqlite } from "./load/temporary-sqlite.js";

const large = scaled(1_000_000);
const small = 1_000;
const slice = 1_000;

/** Deliveries straight to the transport: making a million events is not what is measured. */
async function fill(transport: Transport, encode: (index: number) => string, count: number): Promise<void> {
  await transport.open();
  for (let from = 0; from < count; from += slice)
    await transport.enqueue(
      Array.from({ length: Math.min(slice, count - from) }, (_, offset) =>
        delivery(encode(from + offset), from + offset),
      ),
    );
  await transport.close();
}

function delivery(body: string, index: number): Delivery {
  const subscription = `stats.count_jobs/${jobFinished.type}`;
  return {
    id: `backlog-${index}.${subscription}`,
    subscriber: "stats.count_jobs",
    subscription,
    eventType: jobFinished.type,
    body,
    key: null,
    perKey: 1,
    dueAtMs: 0,
    maxPending: null,
    dedup: null,
  };
}

function run(count: number): Promise<Readonly<Record<string, number>>> {
  return withSqlite(async (database: Database, directory) => {
    const transport = createSqlTransport({ database });
    const { store } = createJobStore({ transport, database, handling: "single" });
    await fill(transport, (index) => store.encodeEvent(jobFinished.create(jobPayload(index))), count);
    return resultOf("work-backlog", [join(directory, "bench.sqlite"), String(Math.min(count, scaled(20_000)))]);
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
