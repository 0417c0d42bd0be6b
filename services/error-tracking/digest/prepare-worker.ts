import { parentPort } from "node:worker_threads";
import { createCpuGuard } from "./cpu-guard.js";
import { DigestError } from "./digest-errors.js";
import type { DigestedEvent } from "./digested-event.js";
import { prepareEvent } from "./prepare-event.js";
import type { PrepareAnswer, PrepareRequest } from "./prepare-pool.js";

// Runs in a worker thread: messages in, prepared events out; nothing for those that only the calling thread can refuse.

const guard = createCpuGuard();
const explained = new Set<string>();
const maxExplained = 20_000;

parentPort?.on("message", (requests: readonly PrepareRequest[]) => {
  const prepared = prepareAll(requests);
  const bytes = new Uint8Array(prepared.reduce((sum, one) => sum + lengthOf(one), 0));
  parentPort?.postMessage(moveLines(prepared, bytes), [bytes.buffer]);
});

/** Lines in one piece of memory go over to the other thread; many small ones would be copied. */
function moveLines(prepared: PrepareAnswer, into: Uint8Array): PrepareAnswer {
  let end = 0;
  const move = (line: Uint8Array): Uint8Array => {
    const start = end;
    into.set(line, start);
    end += line.length;
    return into.subarray(start, end);
  };
  return prepared.map((one) =>
    isEvent(one) ? { ...one, lines: { event: move(one.lines.event), payload: move(one.lines.payload) } } : one,
  );
}

function lengthOf(one: PrepareAnswer[number]): number {
  return isEvent(one) ? one.lines.event.length + one.lines.payload.length : 0;
}

function isEvent(one: PrepareAnswer[number]): one is DigestedEvent {
  return typeof one === "object";
}

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
    return prepareEvent(message, options, (hash) => isFirstSeen(`${message.data.project_id} ${hash}`));
  } catch {
    return undefined;
  }
}

/** What this thread has not seen is likely to be new to the database, which then need not have it explained elsewhere. */
function isFirstSeen(key: string): boolean {
  if (explained.has(key)) return false;
  if (explained.size >= maxExplained) explained.clear();
  explained.add(key);
  return true;
}
