import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { createPace, type Logger, startWorkerThread } from "@signalbox/kernel";
import { createCpuGuard } from "./cpu-guard.js";
import { DigestError } from "./digest-errors.js";
import type { DigestedEvent } from "./digested-event.js";
import { type PrepareOptions, prepareEvent, type ReceivedMessage } from "./prepare-event.js";

/** One message with what its project wants of it. */
export interface PrepareRequest {
  readonly message: ReceivedMessage;
  readonly options: PrepareOptions;
}

export type Prepared = { readonly digested: DigestedEvent } | { readonly error: unknown };

/** Does the pure steps for a batch of messages; one answer for each, in order. */
export interface Preparer {
  prepare(requests: readonly PrepareRequest[]): Promise<readonly Prepared[]>;
  /** Ends the threads. What is under way, and what comes later, is prepared by the calling thread. */
  close(): Promise<void>;
}

export interface PreparePoolOptions {
  /** Default: one less than there are cores, at least one, at most four. */
  readonly workers?: number;
  readonly logger: Logger;
  /** Called with each thread that starts. */
  readonly onThread?: (thread: Worker) => void;
}

/**
 * What a thread answers for each message of a portion: `undefined` when it could not prepare it, `too_slow` when it took
 * more time than one event may.
 */
export type PrepareAnswer = readonly (DigestedEvent | "too_slow" | undefined)[];

interface Portion {
  readonly requests: readonly PrepareRequest[];
  resolve(prepared: PrepareAnswer): void;
}

interface Lane {
  /** Started with the first portion. */
  worker: Worker | undefined;
  /** What the thread has and has not answered. */
  portion: Portion | undefined;
}

/** Fewer are not worth the way, and a quiet process needs no threads. */
const worthwhileRequests = 8;
/** Copying a portion in and its answer out holds the event loop for some milliseconds at most. */
const portionRequests = 64;
const portionLength = 262_144;

/** Batches leave much garbage behind that is soon gone. */
const resourceLimits = { maxYoungGenerationSizeMb: 16 };

/**
 * Prepares batches in worker threads, so that requests need not wait for it. The threads start with the first batch
 * that is worth it; one that ended starts again with the next. A message that a thread cannot prepare is tried again by
 * the calling thread: it is as pure there, and what it throws then is the error itself and no copy. A message that takes
 * more than two seconds of processor time has failed, and its neighbours do not wait for more than that.
 */
export function createPreparePool({ workers, logger, onThread = () => {} }: PreparePoolOptions): Preparer {
  const waiting: Portion[] = [];
  const count = workers ?? Math.min(4, Math.max(1, availableParallelism() - 1));
  const lanes = Array.from({ length: count }, (): Lane => ({ worker: undefined, portion: undefined }));
  let closed = false;

  const startWorker = (lane: Lane): Worker => {
    const worker = startWorkerThread(import.meta.url, "prepare-worker", { resourceLimits });
    worker.on("message", (answer: PrepareAnswer) => end(lane, answer));
    worker.on("error", (error) => logger.error("a thread that prepares events failed", { error }));
    // However it ended: what it has not answered is prepared by the calling thread.
    worker.on("exit", (code) => {
      if (closed) return;
      logger.warn("a thread that prepares events ended and is started again", { exit_code: code });
      lane.worker = undefined;
      end(lane, []);
    });
    onThread(worker);
    return worker;
  };
  const feed = (lane: Lane): void => {
    if (lane.portion) return;
    lane.portion = waiting.shift();
    if (lane.portion) {
      lane.worker ??= startWorker(lane);
      // Who waits for an answer keeps the process alive, an idle thread does not.
      lane.worker.ref();
      lane.worker.postMessage(lane.portion.requests);
    } else lane.worker?.unref();
  };
  const end = (lane: Lane, answer: PrepareAnswer): void => {
    const { portion } = lane;
    lane.portion = undefined;
    feed(lane);
    portion?.resolve(answer);
  };

  const prepareElsewhere = (requests: readonly PrepareRequest[]): Promise<PrepareAnswer> =>
    new Promise((resolve) => waiting.push({ requests, resolve }));

  return {
    async prepare(requests) {
      if (closed || requests.length < worthwhileRequests) return prepareHere(requests);
      const portions = portionsOf(requests);
      const answers = portions.map(prepareElsewhere);
      for (const lane of lanes) feed(lane);
      const prepared: Prepared[] = [];
      for (const [index, portion] of portions.entries())
        prepared.push(...(await complete(portion, (await answers[index]) ?? [])));
      return prepared;
    },
    async close() {
      if (closed) return;
      closed = true;
      for (const portion of [...lanes.flatMap((lane) => lane.portion ?? []), ...waiting.splice(0)]) portion.resolve([]);
      await Promise.all(lanes.flatMap(({ worker }) => worker?.terminate() ?? []));
    },
  };
}

/** Prepares in the calling thread and gives way now and then. What takes too long is ended. */
export async function prepareHere(requests: readonly PrepareRequest[]): Promise<Prepared[]> {
  const prepared: Prepared[] = [];
  // Requests that are being taken in go first: what is digested has been acknowledged already.
  const pace = createPace();
  for (const request of requests) {
    prepared.push(prepareOne(request));
    await pace();
  }
  return prepared;
}

const guard = createCpuGuard();

function prepareOne({ message, options }: PrepareRequest): Prepared {
  try {
    return { digested: guard.run(() => prepareEvent(message, options)) };
  } catch (error) {
    return { error };
  }
}

async function complete(requests: readonly PrepareRequest[], answer: PrepareAnswer): Promise<Prepared[]> {
  const left = requests.filter((_, index) => answer[index] === undefined);
  const late = await prepareHere(left);
  return requests.map((_, index) => {
    const digested = answer[index];
    if (digested === "too_slow") return { error: new DigestError("ET_EVENT_TOO_SLOW") };
    return digested === undefined ? (late.shift() ?? { error: undefined }) : { digested };
  });
}

function portionsOf(requests: readonly PrepareRequest[]): PrepareRequest[][] {
  const portions: PrepareRequest[][] = [];
  let portion: PrepareRequest[] = [];
  let length = 0;
  for (const { message, options } of requests) {
    const { data, correlationId } = message;
    portion.push({ message: { data, correlationId }, options });
    length += data.payload.content.length;
    if (portion.length < portionRequests && length < portionLength) continue;
    portions.push(portion);
    portion = [];
    length = 0;
  }
  if (portion.length > 0) portions.push(portion);
  return portions;
}
