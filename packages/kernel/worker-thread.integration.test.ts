import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startWorkerThread } from "./worker-thread.js";

const folder = new URL("./.cache-worker-thread/", import.meta.url);

test.each(["ts", "js"])("a module runs in a thread, from %s", async (extension) => {
  mkdirSync(folder, { recursive: true });
  const annotation = extension === "ts" ? ": string" : "";
  writeFileSync(
    new URL(`./echo.${extension}`, folder),
    `import { parentPort } from "node:worker_threads";
    parentPort?.once("message", (text${annotation}) => parentPort?.postMessage(text.toUpperCase()));`,
  );
  const thread = startWorkerThread(new URL(`./caller.${extension}`, folder).href, "echo");
  try {
    thread.postMessage("hello");
    expect(await once(thread, "message")).toEqual(["HELLO"]);
  } finally {
    await thread.terminate();
    rmSync(folder, { recursive: true, force: true });
  }
});
