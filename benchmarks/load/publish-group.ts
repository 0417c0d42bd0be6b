import { monitorEventLoopDelay } from "node:perf_hooks";
import { createSqlTransport } from "@signalbox/event-store";
import { createJobStore, type JobFinished, jobFinished, jobPayload, secondsOf } from "./job-events.js";
import { say } from "./program.js";
import { withSqlite } from "./temporary-sqlite.js";

// Publishes one group in a process of its own and says how long the event loop stood still, and how much memory it took.
const events = Number(process.argv[2]);

await withSqlite(async (database) => {
  const transport = createSqlTransport({ database });
  const { store } = createJobStore({ transport, database, handling: "single" });
  const group: JobFinished[] = [];
  for (let index = 0; index < events; index++) {
    group.push(jobFinished.create(jobPayload(index)));
    // Making them is the caller's work.
    if (index % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const seconds = await secondsOf(() => store.publishGroup(group));
  await new Promise((resolve) => setTimeout(resolve, 10));
  delay.disable();
  const rssMiB = process.resourceUsage().maxRSS / 1024;
  say({ perSecond: events / seconds, longestMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6, rssMiB });
  await store.stop();
});
