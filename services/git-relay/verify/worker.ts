import { parentPort } from "node:worker_threads";
import { isSignature } from "@signalbox/nostr";
import { partBytes } from "./layout.js";

// Runs in a worker thread: bytes of signatures in, one byte of truth for each out.

parentPort?.on("message", (batch: Uint8Array) => {
  const answers = new Uint8Array(batch.length / partBytes);
  for (let index = 0; index < answers.length; index++) {
    const part = batch.subarray(index * partBytes, (index + 1) * partBytes);
    answers[index] = isSignature(part.subarray(0, 32), part.subarray(32, 64), part.subarray(64)) ? 1 : 0;
  }
  parentPort?.postMessage(answers);
});
