import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { type Logger, startWorkerThread } from "@signalbox/kernel";
import type { SignatureParts } from "@signalbox/nostr";
import { partBytes } from "./layout.js";
import type { Verifier } from "./verifier.js";

/** What signatures are checked with: libsecp256k1 in WebAssembly, or the library of the machine where there is one. */
export type VerifierEngine = "wasm" | "auto";

/** What a worker says first: what it checks with, and why not with the library of the machine when it was to. */
export interface WorkerReady {
  readonly engine: string;
  readonly reason?: string;
}

export interface VerifierPoolOptions {
  /** Default: `wasm`. */
  readonly engine?: VerifierEngine;
  /** Default: one less than there are cores, at least one. */
  readonly workers?: number | undefined;
  readonly logger: Logger;
}

interface Check {
  readonly parts: SignatureParts;
  resolve(isRight: boolean): void;
  reject(error: unknown): void;
}

interface Lane {
  worker: Worker;
  /** What the worker has and has not answered. */
  batch: readonly Check[];
}

/** About five milliseconds of work: an answer waits no longer for its neighbours. */
const batchSize = 16;

/** Checks signatures in worker threads, a small batch at a time each, in the order in which they were asked. */
export function createVerifierPool({ engine = "wasm", workers, logger }: VerifierPoolOptions): Verifier {
  const waiting: Check[] = [];
  let closed = false;

  const feed = (lane: Lane): void => {
    if (lane.batch.length > 0 || waiting.length === 0 || closed) return;
    // A burst is shared evenly, so that no worker idles while another has a full batch before it.
    lane.batch = waiting.splice(0, Math.min(batchSize, Math.ceil(waiting.length / lanes.length)));
    const bytes = pack(lane.batch);
    lane.worker.postMessage(bytes, [bytes.buffer]);
  };
  let isTold = false;
  /** All workers find the same. */
  const tellEngine = (ready: WorkerReady): void => {
    if (engine !== "auto" || isTold) return;
    isTold = true;
    logger.info("what signatures are checked with", { ...ready });
  };
  const startWorker = (laneOf: () => Lane): Worker => {
    const worker = startWorkerThread(import.meta.url, "worker", { workerData: engine });
    // The pool alone keeps no process alive; who waits for an answer does.
    worker.unref();
    worker.on("message", (answers: Uint8Array | WorkerReady) => {
      if (!(answers instanceof Uint8Array)) {
        tellEngine(answers);
        return;
      }
      const lane = laneOf();
      const { batch } = lane;
      lane.batch = [];
      feed(lane);
      for (const [index, check] of batch.entries()) check.resolve(answers[index] === 1);
    });
    worker.on("error", (error) => {
      if (closed) return;
      const lane = laneOf();
      logger.error("a worker that checks signatures failed and is replaced", { error });
      const { batch } = lane;
      lane.batch = [];
      lane.worker = startWorker(laneOf);
      for (const check of batch) check.reject(error);
      feed(lane);
    });
    return worker;
  };
  /** Started with the first check. */
  let lanes: Lane[] = [];
  const startLanes = (): void => {
    lanes = Array.from({ length: workers ?? Math.max(1, availableParallelism() - 1) }, () => {
      const lane: Lane = { worker: startWorker(() => lane), batch: [] };
      return lane;
    });
  };
  let fed = true;

  return {
    verify: (parts) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new Error("The verifier is closed."));
          return;
        }
        if (lanes.length === 0) startLanes();
        waiting.push({ parts, resolve, reject });
        if (!fed) return;
        // Everything that this turn brings goes into the same batches.
        fed = false;
        setImmediate(() => {
          fed = true;
          for (const lane of lanes) feed(lane);
        });
      }),
    async close() {
      if (closed) return;
      closed = true;
      const error = new Error("The verifier is closed.");
      for (const check of [...lanes.flatMap(({ batch }) => batch), ...waiting.splice(0)]) check.reject(error);
      await Promise.all(lanes.map(({ worker }) => worker.terminate()));
    },
  };
}

function pack(batch: readonly Check[]): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(new ArrayBuffer(batch.length * partBytes));
  for (const [index, { parts }] of batch.entries())
    bytes.write(parts.id + parts.pubkey + parts.sig, index * partBytes, "hex");
  return new Uint8Array(bytes.buffer, 0, bytes.length);
}
