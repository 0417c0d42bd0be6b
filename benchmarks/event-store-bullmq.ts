import { createBullmqTransport } from "@signalbox/event-store-bullmq";
import { startRedis } from "@signalbox/testing/servers";
import { type Benchmark, percentile, scaled } from "./harness.js";
import {
  bothPhases,
  createJobStore,
  jobPayload,
  publishers,
  publishThenHandle,
  type Throughput,
} from "./load/job-events.js";
import { withSqlite } from "./load/temporary-sqlite.js";
import { type PeerResult, runBullmq } from "./peers/bullmq.js";

const events = scaled(100_000);
const rounds = 3;

async function runSignalbox(): Promise<Throughput> {
  const redis = await startRedis();
  const throughput = await withSqlite((database) => {
    const transport = createBullmqTransport({ url: redis.url });
    return publishThenHandle(createJobStore({ transport, database, handling: "batch" }), events);
  });
  await redis.stop();
  return throughput;
}

async function runPeer(): Promise<PeerResult> {
  const redis = await startRedis();
  const result = await runBullmq({
    redisUrl: redis.url,
    jobs: events,
    payload: jobPayload(0),
    adding: { bulk: 256 },
    concurrency: 256,
  });
  await redis.stop();
  return result;
}

/** The BullMQ transport against bare BullMQ, both on a Redis that syncs every write. */
export const eventStoreBullmq: Benchmark = {
  name: "event-store-bullmq",
  proves: ["ES-906"],
  async run(report) {
    const results: { ours: Throughput; bare: PeerResult }[] = [];
    // In turn, so that a busy moment of the machine meets both.
    for (let round = 0; round < rounds; round++) results.push({ ours: await runSignalbox(), bare: await runPeer() });
    const middle = (pick: (result: (typeof results)[number]) => number): number => percentile(results.map(pick), 0.5);
    const workload = `${events} events of 512 bytes, one true condition, one subscriber, appendfsync always`;
    report({
      workload: `${workload}: published by ${publishers} publishers at once`,
      measured: { value: middle(({ ours }) => ours.publishedPerSecond), unit: "events/s" },
      peer: { name: "BullMQ, addBulk of 256", value: middle(({ bare }) => bare.addedPerSecond) },
      target: 10_000,
    });
    report({
      workload: `${workload}: handled in batches`,
      measured: { value: middle(({ ours }) => ours.handledPerSecond), unit: "events/s" },
      peer: { name: "BullMQ, worker with concurrency 256", value: middle(({ bare }) => bare.handledPerSecond) },
      target: 7_000,
    });
    report({
      workload: `${workload}: published, then handled`,
      measured: {
        value: middle(({ ours }) => bothPhases(ours.publishedPerSecond, ours.handledPerSecond)),
        unit: "events/s",
      },
      peer: {
        name: "BullMQ, addBulk of 256 and worker with concurrency 256",
        value: middle(({ bare }) => bothPhases(bare.addedPerSecond, bare.handledPerSecond)),
      },
      targetRatio: 0.8,
    });
  },
};
