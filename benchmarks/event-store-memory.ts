import { createMemoryTransport } from "@signalbox/event-store";
import { startRedis } from "@signalbox/testing/servers";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { bothPhases, createJobStore, jobPayload, publishJobs, secondsOf } from "./load/job-events.js";
import { runBullmq } from "./peers/bullmq.js";

const events = scaled(100_000);
const rounds = 3;
/** Nothing is waited for, so more of them would only hold more events in memory. */
const publishers = 64;

async function runSignalbox(): Promise<number> {
  const { store, handled } = createJobStore({ transport: createMemoryTransport(), handling: "single" });
  await store.start();
  const seconds = await secondsOf(async () => {
    const whenHandled = handled(events);
    await publishJobs(store, events, publishers);
    await whenHandled;
  });
  await store.stop();
  return events / seconds;
}

async function runPeer(): Promise<number> {
  const redis = await startRedis();
  const { addedPerSecond, handledPerSecond } = await runBullmq({
    redisUrl: redis.url,
    jobs: events,
    payload: jobPayload(0),
    adding: { bulk: 256 },
    concurrency: 256,
  });
  await redis.stop();
  return bothPhases(addedPerSecond, handledPerSecond);
}

/** From publish to handled inside one process, everything but the disk. */
export const eventStoreMemory: Benchmark = {
  name: "event-store-memory",
  proves: ["ES-901"],
  async run(report) {
    const results: { ours: number; peer: number }[] = [];
    for (let round = 0; round < rounds; round++) results.push({ ours: await runSignalbox(), peer: await runPeer() });
    report({
      workload: `${events} events of 512 bytes, ${publishers} publishers at once, one true condition, one subscriber: publish to handled`,
      measured: {
        value: percentile(
          results.map(({ ours }) => ours),
          0.5,
        ),
        unit: "events/s",
      },
      peer: {
        name: "BullMQ, addBulk of 256 and worker with concurrency 256",
        value: percentile(
          results.map(({ peer }) => peer),
          0.5,
        ),
      },
      targetRatio: 6,
      target: 60_000,
    });
  },
};
