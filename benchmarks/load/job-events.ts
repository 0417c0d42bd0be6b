import type { Database } from "@signalbox/database";
import {
  createEventStore,
  type DispatchLog,
  type DomainEvent,
  defineEvent,
  defineSubscriber,
  type EventStore,
  type PayloadOf,
  type Transport,
} from "@signalbox/event-store";
import type { Logger, Metrics } from "@signalbox/kernel";

/** The event of most benchmarks of the event store: eight properties, 512 bytes as JSON. */
export const jobFinished = defineEvent("ci.job_finished", {
  schema: {
    type: "object",
    properties: {
      job_id: { type: "integer" },
      project_id: { type: "integer" },
      pipeline_id: { type: "integer" },
      status: { type: "string", enum: ["success", "failed"] },
      ref: { type: "string" },
      runner: { type: "string" },
      duration_s: { type: "number" },
      log_tail: { type: "string" },
    },
    required: ["job_id", "project_id", "pipeline_id", "status"],
  },
});
export type JobFinished = DomainEvent<PayloadOf<typeof jobFinished>>;

export function jobPayload(index: number): PayloadOf<typeof jobFinished> {
  const data = {
    job_id: 1_000_000 + index,
    project_id: 278_964,
    pipeline_id: 9_000_000 + (index % 10_000),
    status: index % 5 === 0 ? ("failed" as const) : ("success" as const),
    ref: "refs/heads/main",
    runner: "runner-17.example",
    duration_s: 12.25,
    log_tail: "",
  };
  return { ...data, log_tail: "x".repeat(512 - JSON.stringify(data).length) };
}

/** Publishes that wait at the same time, as that many requests of a busy server would. */
export const publishers = 2_000;

export interface JobStoreOptions {
  readonly transport: Transport;
  readonly database?: Database;
  /** What one call of the handler gets. */
  readonly handling: "batch" | "single";
  readonly key?: (event: JobFinished) => string;
  readonly handle?: (events: readonly JobFinished[]) => void;
  readonly dispatchLog?: DispatchLog;
  readonly metrics?: Metrics;
  readonly logger?: Logger;
}

export interface JobStore {
  readonly store: EventStore;
  /** Resolves when that many events were handled. */
  handled(count: number): Promise<void>;
}

/** A store with one subscriber and one condition that is true. */
export function createJobStore(options: JobStoreOptions): JobStore {
  const { transport, database, handling, key, handle, dispatchLog, metrics, logger } = options;
  let count = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let reached = (): void => {};
  const note = (events: readonly JobFinished[]): void => {
    handle?.(events);
    count += events.length;
    if (count >= wanted) reached();
  };
  const countJobs = defineSubscriber<JobFinished["data"]>(
    "stats.count_jobs",
    handling === "batch" ? { handleBatch: async (events) => note(events) } : { handle: async (event) => note([event]) },
  );
  const store = createEventStore({
    source: "urn:signalbox:bench",
    transport,
    ...(database && { database }),
    ...(dispatchLog && { dispatchLog }),
    ...(metrics && { metrics }),
    ...(logger && { logger }),
    configure(registry) {
      registry.register(jobFinished);
      registry.subscribe(countJobs, {
        to: jobFinished,
        if: (event) => event.data.project_id > 0,
        ...(key && { key }),
      });
    },
  });
  return {
    store,
    handled: (target) =>
      new Promise((resolve) => {
        wanted = target;
        reached = resolve;
        if (count >= wanted) resolve();
      }),
  };
}

/** Publishes events by many publishers at once, each one after the other. */
export async function publishJobs(store: EventStore, events: number, atOnce = publishers): Promise<void> {
  let next = 0;
  const publisher = async (): Promise<void> => {
    for (let index = next++; index < events; index = next++) await store.publish(jobFinished.create(jobPayload(index)));
  };
  await Promise.all(Array.from({ length: atOnce }, publisher));
}

export interface Throughput {
  readonly publishedPerSecond: number;
  readonly handledPerSecond: number;
}

/** All publishes first, then one worker until everything is handled; stops the store. */
export async function publishThenHandle({ store, handled }: JobStore, events: number): Promise<Throughput> {
  const publishSeconds = await secondsOf(() => publishJobs(store, events));
  const handleSeconds = await secondsOf(async () => {
    await store.start();
    await handled(events);
  });
  await store.stop();
  return { publishedPerSecond: events / publishSeconds, handledPerSecond: events / handleSeconds };
}

export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

/** Events per second of two phases, one after the other. */
export function bothPhases(firstPerSecond: number, secondPerSecond: number): number {
  return 1 / (1 / firstPerSecond + 1 / secondPerSecond);
}
