import { Queue, Worker } from "bullmq";

export interface PeerResult {
  readonly addedPerSecond: number;
  readonly handledPerSecond: number;
}

export interface BullmqOptions {
  readonly redisUrl: string;
  readonly jobs: number;
  readonly payload: object;
  /** How jobs are added: `addBulk` calls of that size one after the other, or that many `add` calls at the same time. */
  readonly adding: { readonly bulk: number } | { readonly concurrently: number };
  readonly concurrency: number;
}

/**
 * The same work on BullMQ: all adds first, then one worker until every job is done. Completed jobs are removed, as
 * a queue in production would.
 */
export async function runBullmq(options: BullmqOptions): Promise<PeerResult> {
  const { hostname, port } = new URL(options.redisUrl);
  const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
  const queue = new Queue("peer", { connection });
  await queue.waitUntilReady();

  const addStartMs = performance.now();
  await ("bulk" in options.adding ? addInBulk : addConcurrently)(queue, options);
  const addSeconds = (performance.now() - addStartMs) / 1000;

  const handleStartMs = performance.now();
  let handled = 0;
  const allHandled = deferred();
  const worker = new Worker(
    "peer",
    async () => {
      if (++handled === options.jobs) allHandled.resolve();
    },
    { connection, concurrency: options.concurrency },
  );
  worker.on("error", (error) => allHandled.reject(error));
  await allHandled.promise;
  const handleSeconds = (performance.now() - handleStartMs) / 1000;

  await worker.close();
  await queue.close();
  return { addedPerSecond: options.jobs / addSeconds, handledPerSecond: options.jobs / handleSeconds };
}

const keepNothing = { removeOnComplete: true, removeOnFail: true };

async function addInBulk(queue: Queue, { jobs, payload, adding }: BullmqOptions): Promise<void> {
  const bulk = "bulk" in adding ? adding.bulk : 1;
  for (let added = 0; added < jobs; added += bulk) {
    const size = Math.min(bulk, jobs - added);
    await queue.addBulk(Array.from({ length: size }, () => ({ name: "event", data: payload, opts: keepNothing })));
  }
}

async function addConcurrently(queue: Queue, { jobs, payload, adding }: BullmqOptions): Promise<void> {
  let next = 0;
  const adder = async (): Promise<void> => {
    while (next++ < jobs) await queue.add("event", payload, keepNothing);
  };
  await Promise.all(Array.from({ length: "concurrently" in adding ? adding.concurrently : 1 }, adder));
}

function deferred(): { promise: Promise<void>; resolve(): void; reject(error: unknown): void } {
  let resolve = (): void => {};
  let reject = (_error: unknown): void => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
