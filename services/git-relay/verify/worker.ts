import { parentPort, workerData } from "node:worker_threads";
import { isSignature } from "@signalbox/nostr";
import { openInstalledLibrary } from "./installed-library.js";
import { partBytes } from "./layout.js";
import type { VerifierEngine, WorkerReady } from "./pool.js";

// Runs in a worker thread: says what it checks with, then bytes of signatures in, one byte of truth for each out.

const engine: VerifierEngine = workerData;
const installed = engine === "auto" ? await openInstalledLibrary() : undefined;
const check = installed?.kind === "opened" ? installed.check : isSignature;

parentPort?.on("message", (batch: Uint8Array) => {
  const answers = new Uint8Array(batch.length / partBytes);
  for (let index = 0; index < answers.length; index++) {
    const part = batch.subarray(index * partBytes, (index + 1) * partBytes);
    answers[index] = check(part.subarray(0, 32), part.subarray(32, 64), part.subarray(64)) ? 1 : 0;
  }
  parentPort?.postMessage(answers);
});
const ready: WorkerReady =
  installed?.kind === "opened"
    ? { engine: installed.library }
    : { engine: "WebAssembly", ...(installed && { reason: installed.reason }) };
parentPort?.postMessage(ready);
