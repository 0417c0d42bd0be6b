import { createSqlTransport } from "@signalbox/event-store";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { bothPhases, createJobStore, publishThenHandle, type Throughput } from "./load/job-events.js";
import { withSqlite } from "./load/temporary-sqlite.js";

const keys = scaled(10_000);
const eventsEach = 10;
const events = keys * eventsEach;
const rounds = 3;

function run(keyed: boolean): Promise<Throughput> {
  return withSqlite((database) =>
    publishThenHandle(
      createJobStore({
        transport: createSqlTransport({ database }),
        database,
        handling: "batch",
        // Ten events of a key follow each other with all other keys in between.
        ...(keyed && { key: (event) => String(event.data.job_id % keys) }),
      }),
      events,
    ),
  );
}

/** What order by key costs. */
export const eventStoreKeys: Benchmark = {
  name: "event-store-keys",
  proves: ["ES-910"],
  async run(report) {
    const results: { keyed: number; plain: number; handled: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const keyed = await run(true);
      const plain = await run(false);
      results.push({
        keyed: bothPhases(keyed.publishedPerSecond, keyed.handledPerSecond),
        plain: bothPhases(plain.publishedPerSecond, plain.handledPerSecond),
        handled: keyed.handledPerSecond,
      });
    }
    report({
      workload: `${keys} keys with ${eventsEach} events each, SQLite: published, then handled`,
      measured: {
        value: percentile(
          results.map(({ keyed }) => keyed),
          0.5,
        ),
        unit: "events/s",
      },
      peer: {
        name: "the same without keys",
        value: percentile(
          results.map(({ plain }) => plain),
          0.5,
        ),
      },
      targetRatio: 0.5,
      target: 10_000,
      notes: {
        handled_per_second: Math.round(
          percentile(
            results.map(({ handled }) => handled),
            0.5,
          ),
        ),
      },
    });
  },
};
