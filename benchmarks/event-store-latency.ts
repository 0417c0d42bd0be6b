import { createSqlTransport } from "@signalbox/event-store";
import { startPostgres } from "@signalbox/testing/servers";
import { makeWorkerUtils } from "graphile-worker";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { createJobStore, jobFinished, jobPayload } from "./load/job-events.js";
import { withSqlite } from "./load/temporary-sqlite.js";
import { openGraphilePool, runGraphileWorker, silentGraphile } from "./peers/graphile-worker.js";

const perSecond = 500;
const seconds = scaled(60);
const warmUpSeconds = 2;

/** Milliseconds from publish to the start of the handler, by number of the event. */
class Latencies {
  readonly #published = new Map<number, number>();
  readonly samples: number[] = [];

  publishing(number: number): void {
    this.#published.set(number, performance.now());
  }

  started(number: number): void {
    const atMs = this.#published.get(number);
    this.#published.delete(number);
    if (atMs !== undefined && number >= perSecond * warmUpSeconds) this.samples.push(performance.now() - atMs);
  }

  async allStarted(): Promise<void> {
    while (this.#published.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Publishes evenly over time, whether or not earlier publishes have been answered. */
async function publishEvenly(publish: (number: number) => Promise<unknown>): Promise<void> {
  const startMs = performance.now();
  const total = perSecond * (seconds + warmUpSeconds);
  const underway: Promise<unknown>[] = [];
  for (let number = 0; number < total; ) {
    const due = Math.min(total, Math.ceil(((performance.now() - startMs) / 1000) * perSecond));
    while (number < due) underway.push(publish(number++));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(underway);
}

function runSignalbox(): Promise<number[]> {
  return withSqlite(async (database) => {
    const latencies = new Latencies();
    const first = jobPayload(0).job_id;
    const { store } = createJobStore({
      transport: createSqlTransport({ database }),
      database,
      handling: "single",
      handle: ([event]) => latencies.started((event?.data.job_id ?? 0) - first),
    });
    await store.start();
    await publishEvenly((number) => {
      latencies.publishing(number);
      return store.publish(jobFinished.create(jobPayload(number)));
    });
    await latencies.allStarted();
    await store.stop();
    return latencies.samples;
  });
}

async function runPeer(): Promise<number[]> {
  const server = await startPostgres();
  const pool = openGraphilePool(await server.createDatabase());
  const latencies = new Latencies();
  const utils = await makeWorkerUtils({ pgPool: pool, logger: silentGraphile });
  await utils.migrate();
  const first = jobPayload(0).job_id;
  const started = async (payload: unknown): Promise<void> => {
    const id = typeof payload === "object" && payload !== null && "job_id" in payload ? Number(payload.job_id) : first;
    latencies.started(id - first);
  };
  const worker = await runGraphileWorker(pool, { count_job: started }, 8);
  await publishEvenly((number) => {
    latencies.publishing(number);
    return utils.addJob("count_job", jobPayload(number));
  });
  await latencies.allStarted();
  await worker.stop();
  await utils.release();
  await pool.end();
  await server.stop();
  return latencies.samples;
}

/** How soon an event is handled when there is little to do. */
export const eventStoreLatency: Benchmark = {
  name: "event-store-latency",
  proves: ["ES-907"],
  async run(report) {
    const ours = await runSignalbox();
    const peer = await runPeer();
    const workload = `${perSecond} publishes a second for ${seconds} s, SQLite (synchronous=FULL): publish to start of the handler`;
    const name = "graphile-worker on PostgreSQL";
    report({
      workload: `${workload}, p50`,
      measured: { value: percentile(ours, 0.5), unit: "ms, at most" },
      peer: { name, value: percentile(peer, 0.5) },
      targetRatio: 1.2,
      target: 5,
    });
    report({
      workload: `${workload}, p99`,
      measured: { value: percentile(ours, 0.99), unit: "ms, at most" },
      peer: { name, value: percentile(peer, 0.99) },
      target: 25,
    });
  },
};
