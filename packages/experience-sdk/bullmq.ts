import type { Client } from "./client.js";
import type { Experience } from "./experience.js";

/** As much of a queue as is used. */
interface QueueLike<Name extends string, Data, Options, Job> {
  add(name: Name, data: Data, options?: Options): Promise<Job>;
}

/** As much of a job as is looked at. */
interface JobLike {
  readonly data: unknown;
  /** Attempts that are over. */
  readonly attemptsMade: number;
  readonly opts: { readonly attempts?: number | undefined };
}

export interface JobOptions {
  /** Whether the end of the job is the end of the journey. Default true. */
  readonly complete?: boolean;
}

/**
 * Adds a job that takes the active journeys of the current context along; each gets an intermediate `job_scheduled`.
 * Resolves like `queue.add`.
 */
export function addJob<Name extends string, Data extends object, Options, Job>(
  client: Client,
  queue: QueueLike<Name, Data, Options, Job>,
  name: Name,
  data: Data,
  options?: Options,
): Promise<Job> {
  return queue.add(name, jobData(client, data), options);
}

/** Data for `queue.addBulk` and flows: a copy that takes the active journeys along; each gets `job_scheduled`. */
export function jobData<Data extends object>(client: Client, data: Data): Data {
  for (const experience of client.current()) experience.checkpoint("job_scheduled");
  return client.inject({ ...data }, "job");
}

/**
 * Wraps the processor of a worker: `new Worker(name, processJob(client, process), …)`. Each journey that the job brings
 * along gets an intermediate `job_started` and is active while `process` runs. It ends with the job: as success when the
 * job is done, as error when its last attempt failed; attempts that will be repeated end nothing.
 */
export function processJob<Job extends JobLike, Rest extends readonly unknown[], Result>(
  client: Client,
  process: (job: Job, ...rest: Rest) => Promise<Result>,
  { complete = true }: JobOptions = {},
): (job: Job, ...rest: Rest) => Promise<Result> {
  return (job, ...rest) => {
    const carrier = typeof job.data === "object" && job.data !== null ? job.data : {};
    return client.withContext(async () => {
      const carried = [...client.extract(carrier).experiences.keys()];
      const experiences = carried.map((id) => client.resumeAs("job_started", id));
      try {
        const result = await process(job, ...rest);
        if (complete) finish(experiences);
        return result;
      } catch (error) {
        if (complete && isLastAttempt(job, error)) finish(experiences, { error });
        throw error;
      }
    }, carrier);
  };
}

/** What the processor ended itself stays as it is. */
function finish(experiences: readonly Experience[], failure?: { readonly error: unknown }): void {
  for (const experience of experiences) {
    if (experience.state !== "active") continue;
    if (failure) experience.error(failure.error);
    experience.complete();
  }
}

/** Thrown by a processor to say that the job goes on later; BullMQ does not take them for failures. */
const notFailures: ReadonlySet<string> = new Set([
  "DelayedError",
  "WaitingError",
  "WaitingChildrenError",
  "RateLimitError",
]);

function isLastAttempt({ attemptsMade, opts }: JobLike, error: unknown): boolean {
  const name = error instanceof Error ? error.name : "";
  if (notFailures.has(name)) return false;
  return name === "UnrecoverableError" || attemptsMade + 1 >= (opts.attempts ?? 1);
}
