import type { ExperienceStore } from "@signalbox/experience";
import { ulid } from "@signalbox/kernel";
import { Queue, Worker } from "bullmq";
import { checkpointOf, chunksOf, inFlight } from "./experience/checkpoints.js";
import { withRedisStore, withSqliteStore } from "./experience/stores.js";
import { type Benchmark, percentile, scaled } from "./harness.js";

const overdueRuns = scaled(100_000);
const openRuns = scaled(100_000);
const duePerSecond = 100;
const watchedSeconds = Math.max(2, scaled(20));
const ingestPerSecond = 500;
const timeoutMs = 30_000;

/** Runs that started so long ago that they are overdue; their start itself has just come. */
async function open(store: ExperienceStore, count: number, startedMs: (index: number) => number): Promise<void> {
  let index = 0;
  for (let made = 0; made < count; made += 10_000) {
    const starts = Array.from({ length: Math.min(10_000, count - made) }, () =>
      checkpointOf(ulid(), "start", startedMs(index++)),
    );
    await inFlight(chunksOf(starts, 250), 2, (batch) => store.apply(batch));
  }
}

/** Closes everything that is overdue while checkpoints come in; resolves with both figures. */
async function drain(store: ExperienceStore, count: number) {
  await open(store, count, () => Date.now() - 3_600_000);
  // A start that comes late waits a little for its end before it is due.
  await new Promise((resolve) => setTimeout(resolve, 5_500));
  const latenciesMs: number[] = [];
  let done = false;
  const ingest = (async () => {
    while (!done) {
      const startedMs = performance.now();
      void store.apply([checkpointOf(ulid(), "start")]).then(() => latenciesMs.push(performance.now() - startedMs));
      await new Promise((resolve) => setTimeout(resolve, 1000 / ingestPerSecond));
    }
  })();
  const startedMs = performance.now();
  let decided = 0;
  // As the reaper does it while there is a backlog: two batches at once.
  const lane = async (): Promise<void> => {
    while (decided < count) {
      const batch = await store.claimDue(200);
      decided += batch.decided.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all([lane(), lane()]);
  const seconds = (performance.now() - startedMs) / 1000;
  done = true;
  await ingest;
  return { perSecond: count / seconds, seconds, ingestP99Ms: percentile(latenciesMs, 0.99) };
}

/** How late runs are decided that fall due one after the other, among many that are open. */
async function lag(store: ExperienceStore): Promise<number> {
  await open(store, openRuns, () => Date.now() + 50_000);
  const dueCount = watchedSeconds * duePerSecond;
  const beganMs = Date.now() + 2_000;
  await open(store, dueCount, (index) => beganMs - timeoutMs + (index * 1000) / duePerSecond + 4_000);
  const lagsMs: number[] = [];
  while (lagsMs.length < dueCount) {
    const { decided, more } = await store.claimDue(200);
    for (const { verdict } of decided) if (verdict) lagsMs.push(verdict.decidedAtMs - verdict.verdictAtMs);
    if (more) continue;
    const dueMs = (await store.nextDue()) ?? Date.now() + 900;
    await new Promise((resolve) => setTimeout(resolve, Math.max(1, Math.min(900, dueMs + 1 - Date.now()))));
  }
  return percentile(lagsMs, 0.99);
}

/** Closing what is overdue, against BullMQ promoting and working as many delayed jobs. */
export const experienceReap: Benchmark = {
  name: "experience-reap",
  proves: ["XP-903", "XP-904"],
  async run(report) {
    const reportDrain = (engine: string, result: Awaited<ReturnType<typeof drain>>, peer?: number): void => {
      report({
        workload: `${overdueRuns} overdue runs, ${engine}: decided`,
        measured: { value: result.perSecond, unit: "runs/s" },
        ...(peer === undefined ? {} : { peer: { name: "BullMQ: delayed jobs worked", value: peer }, targetRatio: 2 }),
        target: overdueRuns / 10,
        notes: { seconds: result.seconds },
      });
      report({
        workload: `${ingestPerSecond} checkpoints/s during that, ${engine}: p99`,
        measured: { value: result.ingestP99Ms, unit: "ms" },
        target: 50,
      });
    };
    await withRedisStore(async (store, url) => {
      const peer = await workDelayedJobs(url);
      reportDrain("Redis (AOF always)", await drain(store, overdueRuns), peer);
    });
    await withSqliteStore(async (store) => reportDrain("SQLite", await drain(store, overdueRuns)));
    const reportLag = async (engine: string, store: ExperienceStore): Promise<void> =>
      report({
        workload: `${openRuns} open runs, ${duePerSecond} falling due each second, ${engine}: decided after due, p99`,
        measured: { value: await lag(store), unit: "ms" },
        target: 1_000,
      });
    await withRedisStore((store) => reportLag("Redis", store));
    await withSqliteStore((store) => reportLag("SQLite", store));
  },
};

async function workDelayedJobs(url: string): Promise<number> {
  const { hostname, port } = new URL(url);
  const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
  const queue = new Queue("peer", { connection });
  const jobs = Array.from({ length: overdueRuns }, () => ({
    name: "run",
    data: { id: ulid() },
    opts: { delay: 1, removeOnComplete: true },
  }));
  for (const chunk of chunksOf(jobs, 1_000)) await queue.addBulk(chunk);
  const startedMs = performance.now();
  let handled = 0;
  let everythingHandled = (): void => {};
  let failed = (_error: Error): void => {};
  const ended = new Promise<void>((resolve, reject) => {
    everythingHandled = resolve;
    failed = reject;
  });
  const worker = new Worker(
    "peer",
    async () => {
      if (++handled === overdueRuns) everythingHandled();
    },
    { connection, concurrency: 32 },
  );
  worker.on("error", (error) => failed(error));
  await ended;
  const perSecond = overdueRuns / ((performance.now() - startedMs) / 1000);
  // Left open, it would ask for its stopped server for ever.
  await worker.close();
  await queue.close();
  return perSecond;
}
