import { Logger, makeWorkerUtils, type Runner, run, type TaskList } from "graphile-worker";
import pg from "pg";
import { secondsOf } from "../load/job-events.js";
import type { PeerResult } from "./bullmq.js";

export const silentGraphile = new Logger(() => () => {});
const task = "count_job";
const batchSize = 256;

/** Its connections may end with the server: the benchmark is over then. */
export function openGraphilePool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 20 });
  const forget = (): void => {};
  pool.on("error", forget);
  pool.on("connect", (client) => client.on("error", forget));
  return pool;
}

/** A worker that fetches jobs in batches and completes them in batches. */
export function runGraphileWorker(pgPool: pg.Pool, taskList: TaskList, concurrency: number): Promise<Runner> {
  return run({
    pgPool,
    logger: silentGraphile,
    noHandleSignals: true,
    taskList,
    concurrency,
    preset: { worker: { localQueue: { size: batchSize }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
  });
}

/** The same work on graphile-worker in batches: all adds first, then one worker until every job is done. */
export async function runGraphile(options: {
  readonly url: string;
  readonly jobs: number;
  readonly payload: object;
}): Promise<PeerResult> {
  const { url, jobs, payload } = options;
  const pool = openGraphilePool(url);
  const utils = await makeWorkerUtils({ pgPool: pool, logger: silentGraphile });
  await utils.migrate();
  const addSeconds = await secondsOf(async () => {
    for (let added = 0; added < jobs; added += batchSize) {
      const size = Math.min(batchSize, jobs - added);
      await utils.addJobs(Array.from({ length: size }, () => ({ identifier: task, payload })));
    }
  });
  let handled = 0;
  let worker: Runner | undefined;
  const handleSeconds = await secondsOf(async () => {
    let done = (): void => {};
    const allHandled = new Promise<void>((resolve) => {
      done = resolve;
    });
    const count = async (): Promise<void> => {
      if (++handled === jobs) done();
    };
    worker = await runGraphileWorker(pool, { [task]: count }, 64);
    await allHandled;
  });
  await worker?.stop();
  await utils.release();
  await pool.end();
  return { addedPerSecond: jobs / addSeconds, handledPerSecond: jobs / handleSeconds };
}
