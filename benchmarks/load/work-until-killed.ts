import { createEventStore, defineSubscriber } from "@signalbox/event-store";
import { openTransport } from "@signalbox/testing/transports";
import { type JobFinished, jobFinished } from "./job-events.js";
import { say } from "./program.js";

// A worker whose handler takes a moment, and says which event it has begun and handled.
const handlerMs = 20;
const { transport, database } = await openTransport(JSON.parse(process.argv[2] ?? "{}"));
const countJobs = defineSubscriber<JobFinished["data"]>("stats.count_jobs", {
  concurrency: 16,
  async handle(event) {
    say({ begun: event.data.job_id });
    await new Promise((resolve) => setTimeout(resolve, handlerMs));
    say({ handled: event.data.job_id });
  },
});
const store = createEventStore({
  source: "urn:signalbox:bench",
  transport,
  database,
  configure(registry) {
    registry.register(jobFinished);
    registry.subscribe(countJobs, { to: jobFinished });
  },
});
await store.start();
say({ started: true });
