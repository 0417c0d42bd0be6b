import { parentPort } from "node:worker_threads";
import { createCpuGuard } from "./cpu-guard.js";
import { DigestError } from "./digest-errors.js";
import { prepareEvent } from "./prepare-event.js";
import type { PrepareAnswer, PrepareRequest } from "./prepare-pool.js";

// Runs in a worker thread: messages in, prepared events out; nothing for those that only the calling thread can refuse.

const guard = createCpuGuard();

parentPort?.on("message", (requests: readonly PrepareRequest[]) => {
  parentPort?.postMessage(prepareAll(requests));
});

/** One watch for all of them is cheap, and enough while all is well. */
function prepareAll(requests: readonly PrepareRequest[]): PrepareAnswer {
  const answer: PrepareAnswer[number][] = [];
  const rest = () => requests.slice(answer.length);
  tooSlow(() => {
    for (const request of rest()) answer.push(prepare(request));
  });
  // When it rang, each of those that are left gets a watch of its own.
  for (const request of rest()) answer.push(tooSlow(() => prepare(request)));
  return answer;
}

/** What `work` returns, or that it took too long. */
function tooSlow<T>(work: () => T): T | "too_slow" {
  try {
    return guard.run(work);
  } catch (error) {
    if (error instanceof DigestError) return "too_slow";
    throw error;
  }
}

function prepare({ message, options }: PrepareRequest): PrepareAnswer[number] {
  try {
    return prepareEvent(message, options);
  } catch {
    return undefined;
  }
}
