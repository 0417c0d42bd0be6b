// A worker of BullMQ that goes on with the journeys of its jobs. Says what it does on standard output.
import { createClient } from "@signalbox/experience-sdk";
import { processJob } from "@signalbox/experience-sdk/bullmq";
import { Worker } from "bullmq";

const { TRACKER_URL, TRACKER_TOKEN, REDIS_URL, QUEUE } = process.env;
const client = createClient({
  endpoint: TRACKER_URL,
  token: TRACKER_TOKEN,
  type: "worker",
  definitions: "remote",
  maxBatchWaitMs: 50,
});

const importProject = async (job) => {
  console.log(`started ${job.name}`);
  // Long enough to be killed in the middle of it.
  const isSlow = job.name === "slow" || (job.name === "slow-once" && job.attemptsStarted === 1);
  if (isSlow) await new Promise((resolve) => setTimeout(resolve, 60_000));
  client.get("import_project").checkpoint("unpacked");
  return job.data.project;
};

const worker = new Worker(QUEUE, processJob(client, importProject), {
  connection: { url: REDIS_URL },
  // A dead worker's job is found soon.
  lockDuration: 1_000,
  stalledInterval: 500,
});
await worker.waitUntilReady();
console.log("ready");

const stop = async () => {
  await worker.close();
  await client.shutdown();
  process.exit(0);
};
process.once("SIGTERM", () => void stop());
