import { createEventStore, createMemoryTransport, defineSubscriber, type EventStore } from "@signalbox/event-store";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { type JobFinished, jobFinished, jobPayload } from "./load/job-events.js";

const events = scaled(20_000);
const conditions = 100;
const rounds = 5;

const noProject = (event: JobFinished): boolean => event.data.project_id < 0;

function createStore(subscriptions: number): EventStore {
  return createEventStore({
    source: "urn:signalbox:bench",
    transport: createMemoryTransport(),
    configure(registry) {
      registry.register(jobFinished);
      for (let index = 0; index < subscriptions; index++) {
        const subscriber = defineSubscriber<JobFinished["data"]>(`stats.count_jobs_${index}`, {
          handle: async () => {},
        });
        // A closure of its own for each, as modules have them.
        registry.subscribe(subscriber, { to: jobFinished, if: (event) => noProject(event) });
      }
    },
  });
}

async function microsecondsPerEvent(store: EventStore, made: readonly JobFinished[]): Promise<number> {
  const startMs = performance.now();
  for (const event of made) await store.publish(event);
  return ((performance.now() - startMs) * 1000) / made.length;
}

function microsecondsPerLoop(made: readonly JobFinished[]): number {
  const closures = Array.from(
    { length: conditions },
    () =>
      (event: JobFinished): boolean =>
        noProject(event),
  );
  let accepted = 0;
  const startMs = performance.now();
  for (const event of made) for (const closure of closures) if (closure(event)) accepted++;
  const microseconds = ((performance.now() - startMs) * 1000) / made.length;
  if (accepted > 0) throw new Error("a condition was true");
  return microseconds;
}

/** What a condition costs that turns an event away. */
export const eventStoreConditions: Benchmark = {
  name: "event-store-conditions",
  proves: ["ES-902"],
  async run(report) {
    const made = Array.from({ length: events }, (_, index) => jobFinished.create(jobPayload(index)));
    const store = createStore(conditions);
    const bare = createStore(0);
    const results: { all: number; none: number; loop: number }[] = [];
    for (let round = 0; round < rounds; round++)
      results.push({
        all: await microsecondsPerEvent(store, made),
        none: await microsecondsPerEvent(bare, made),
        loop: microsecondsPerLoop(made),
      });
    await store.stop();
    await bare.stop();
    const all = percentile(
      results.map(({ all }) => all),
      0.5,
    );
    const added = percentile(
      results.map(({ all, none, loop }) => (all - none - loop) / conditions),
      0.5,
    );
    report({
      workload: `${events} publishes one after the other to ${conditions} subscriptions whose conditions are all false`,
      measured: { value: 1_000_000 / all, unit: "events/s" },
      target: 8_000,
    });
    report({
      workload: `the same: time that one condition adds to a publish, beyond calling ${conditions} closures in a loop`,
      measured: { value: added, unit: "µs, at most" },
      target: 1,
    });
  },
};
