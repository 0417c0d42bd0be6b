import { parentPort } from "node:worker_threads";
import type { DigestedEvent } from "./digested-event.js";
import { prepareEvent } from "./prepare-event.js";
import type { PrepareAnswer, PrepareRequest } from "./prepare-pool.js";

// Runs in a worker thread: messages in, prepared events out; nothing for those that only the calling thread can refuse.

parentPort?.on("message", (requests: readonly PrepareRequest[]) => {
  const answer: PrepareAnswer = requests.map(prepare);
  parentPort?.postMessage(answer);
});

function prepare({ message, options }: PrepareRequest): DigestedEvent | undefined {
  try {
    return prepareEvent(message, options);
  } catch {
    return undefined;
  }
}
