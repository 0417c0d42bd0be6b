import PgBoss from "pg-boss";
import { secondsOf } from "../load/job-events.js";
import type { PeerResult } from "./bullmq.js";

const queue = "jobs";
const batchSize = 256;

/** The same work on pg-boss in batches: inserts first, then one worker that fetches and completes batches. */
export async function runPgBoss(options: {
  readonly url: string;
  readonly jobs: number;
  readonly payload: object;
}): Promise<PeerResult> {
  const { url, jobs, payload } = options;
  const boss = new PgBoss({ connectionString: url, schedule: false, supervise: false });
  boss.on("error", (error) => {
    throw error;
  });
  await boss.start();
  await boss.createQueue(queue);
  const addSeconds = await secondsOf(async () => {
    for (let added = 0; added < jobs; added += batchSize) {
      const size = Math.min(batchSize, jobs - added);
      await boss.insert(Array.from({ length: size }, () => ({ name: queue, data: payload })));
    }
  });
  const handleSeconds = await secondsOf(async () => {
    for (let handled = 0; handled < jobs; ) {
      const batch = await boss.fetch<object>(queue, { batchSize });
      await boss.complete(
        queue,
        batch.map(({ id }) => id),
      );
      handled += batch.length;
    }
  });
  await boss.stop({ graceful: false, wait: true });
  return { addedPerSecond: jobs / addSeconds, handledPerSecond: jobs / handleSeconds };
}
