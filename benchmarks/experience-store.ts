import type { ExperienceStore } from "@signalbox/experience";
import { ulid } from "@signalbox/kernel";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { checkpointOf, chunksOf, inFlight, payloadOf } from "./experience/checkpoints.js";
import { withRedisStore, withSqliteStore } from "./experience/stores.js";
import { applyInGroups, applyOneByOne } from "./experience/transitions.js";
import { type Benchmark, scaled } from "./harness.js";

const transitions = scaled(40_000);
const openRuns = scaled(1_000_000);
const concurrency = 50;

/** One step for each checkpoint, without the edge: in Redis against delayed jobs of BullMQ, and in SQLite in groups. */
export const experienceStore: Benchmark = {
  name: "experience-store",
  proves: ["XP-902", "XP-906"],
  async run(report) {
    await withRedisStore(async (store, url) => {
      const peer = await addDelayedJobs(url);
      const perSecond = await applyOneByOne(store, transitions, concurrency);
      report({
        workload: `${transitions} transitions, ${concurrency} in flight, Redis (AOF always)`,
        measured: { value: perSecond, unit: "transitions/s" },
        peer: { name: "BullMQ: delayed jobs added", value: peer },
        targetRatio: 1,
        target: 12_000,
      });
    });
    await withRedisStore(async (store, url) => {
      const client = new Redis(url);
      const usedBytes = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await client.info("memory"))?.[1]);
      const before = { bytes: await usedBytes(), residentBytes: residentBytes() };
      await openMany(store);
      report({
        workload: `${openRuns} open runs with one checkpoint each, Redis: memory of the server for each`,
        measured: { value: ((await usedBytes()) - before.bytes) / openRuns, unit: "bytes" },
        target: 900,
      });
      report({
        workload: `${openRuns} open runs, Redis: memory that the tracker's process gained`,
        measured: { value: Math.max(0, residentBytes() - before.residentBytes) / 2 ** 20, unit: "MiB" },
        target: 50,
      });
      client.disconnect();
    });
    await withSqliteStore(async (store) => {
      const perSecond = await applyInGroups(store, transitions);
      report({
        workload: `${transitions} transitions in groups of 256, SQLite (synchronous=FULL)`,
        measured: { value: perSecond, unit: "transitions/s" },
        target: 15_000,
      });
    });
    await withSqliteStore(async (store) => {
      const beforeBytes = residentBytes();
      await openMany(store);
      report({
        workload: `${openRuns} open runs, SQLite: memory that the tracker's process gained`,
        measured: { value: Math.max(0, residentBytes() - beforeBytes) / 2 ** 20, unit: "MiB" },
        target: 50,
      });
    });
  },
};

/** Opens runs that stay open. What was published of them costs nothing any more. */
async function openMany(store: ExperienceStore): Promise<void> {
  for (let made = 0; made < openRuns; made += 10_000) {
    const starts = Array.from({ length: Math.min(10_000, openRuns - made) }, () => checkpointOf(ulid(), "start"));
    await inFlight(chunksOf(starts, 100), 4, (batch) => store.apply(batch));
    for (let taken = await store.takeOutbox(1_000); taken.length > 0; taken = await store.takeOutbox(1_000))
      await store.ackOutbox(taken.map(({ id }) => id));
  }
}

function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

async function addDelayedJobs(url: string): Promise<number> {
  const { hostname, port } = new URL(url);
  const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
  const queue = new Queue("peer", { connection });
  await queue.waitUntilReady();
  const payloads = Array.from({ length: transitions }, () => payloadOf(ulid(), "start"));
  const perSecond = await inFlight(payloads, concurrency, (payload) => queue.add("run", payload, { delay: 3_600_000 }));
  await queue.obliterate({ force: true });
  await queue.close();
  return perSecond;
}
