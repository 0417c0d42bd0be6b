import { migrate, openDatabase } from "@signalbox/database";
import { createSqlTransport, eventStoreMigrations } from "@signalbox/event-store";
import { type PostgresServer, startPostgres } from "@signalbox/testing/servers";
import { type Benchmark, percentile, scaled } from "./harness.js";
import {
  bothPhases,
  createJobStore,
  jobPayload,
  publishers,
  publishThenHandle,
  type Throughput,
} from "./load/job-events.js";
import type { PeerResult } from "./peers/bullmq.js";
import { runGraphile } from "./peers/graphile-worker.js";
import { runPgBoss } from "./peers/pg-boss.js";

const events = scaled(100_000);
const rounds = 3;

async function runSignalbox(server: PostgresServer): Promise<Throughput> {
  const database = await openDatabase({ url: await server.createDatabase() });
  await migrate(database, [eventStoreMigrations]);
  const transport = createSqlTransport({ database });
  const throughput = await publishThenHandle(createJobStore({ transport, database, handling: "batch" }), events);
  await database.close();
  return throughput;
}

/** The SQL transport on PostgreSQL against two queues that were made for it, all in batches on the same server. */
export const eventStorePostgres: Benchmark = {
  name: "event-store-postgres",
  proves: ["ES-904"],
  async run(report) {
    const server = await startPostgres();
    const results: { ours: Throughput; boss: PeerResult; graphile: PeerResult }[] = [];
    // In turn, so that a busy moment of the machine meets everybody.
    for (let round = 0; round < rounds; round++) {
      const peer = async () => ({ url: await server.createDatabase(), jobs: events, payload: jobPayload(round) });
      results.push({
        ours: await runSignalbox(server),
        boss: await runPgBoss(await peer()),
        graphile: await runGraphile(await peer()),
      });
    }
    await server.stop();
    const middle = (pick: (result: (typeof results)[number]) => number): number => percentile(results.map(pick), 0.5);
    const workload = `${events} events of 512 bytes, one true condition, one subscriber, synchronous_commit=on`;
    const ours = middle(({ ours }) => bothPhases(ours.publishedPerSecond, ours.handledPerSecond));
    report({
      workload: `${workload}: published by ${publishers} publishers at once`,
      measured: { value: middle(({ ours }) => ours.publishedPerSecond), unit: "events/s" },
      target: 10_000,
      notes: {
        pg_boss_insert_of_256: Math.round(middle(({ boss }) => boss.addedPerSecond)),
        graphile_add_jobs_of_256: Math.round(middle(({ graphile }) => graphile.addedPerSecond)),
      },
    });
    report({
      workload: `${workload}: handled in batches`,
      measured: { value: middle(({ ours }) => ours.handledPerSecond), unit: "events/s" },
      target: 8_000,
      notes: {
        pg_boss_batches_of_256: Math.round(middle(({ boss }) => boss.handledPerSecond)),
        graphile_local_queue_of_256: Math.round(middle(({ graphile }) => graphile.handledPerSecond)),
      },
    });
    report({
      workload: `${workload}: published, then handled`,
      measured: { value: ours, unit: "events/s" },
      peer: {
        name: "pg-boss, insert, fetch and complete in batches of 256",
        value: middle(({ boss }) => bothPhases(boss.addedPerSecond, boss.handledPerSecond)),
      },
      targetRatio: 1.5,
    });
    report({
      workload: `${workload}: published, then handled`,
      measured: { value: ours, unit: "events/s" },
      peer: {
        name: "graphile-worker, addJobs of 256, local queue of 256, batched completion",
        value: middle(({ graphile }) => bothPhases(graphile.addedPerSecond, graphile.handledPerSecond)),
      },
      targetRatio: 0.7,
    });
  },
};
