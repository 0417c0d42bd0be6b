import { pathToFileURL } from "node:url";
import { parentPort } from "node:worker_threads";
import type { ModuleContext, ModuleReply, ModuleRequest } from "./answers.js";

// Runs the operator's module in a worker thread, one question after the other, so that nothing that it does holds up the
// relay, and its end is not the relay's.

type Decide = (event: object, context: ModuleContext) => unknown;

let decide: Decide | undefined;

async function load(path: string): Promise<ModuleReply> {
  const loaded: { readonly decide?: unknown } = await import(pathToFileURL(path).href);
  if (!isDecide(loaded.decide)) return { kind: "unusable", message: "it exports no function `decide`" };
  decide = loaded.decide;
  return { kind: "loaded" };
}

async function reply(request: ModuleRequest): Promise<ModuleReply> {
  if (request.kind === "load") return load(request.path).catch((error) => ({ kind: "unusable", message: say(error) }));
  try {
    return { kind: "decided", answer: await decide?.(request.event, request.context) };
  } catch (error) {
    return { kind: "thrown", message: say(error) };
  }
}

function isDecide(value: unknown): value is Decide {
  return typeof value === "function";
}

function say(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

parentPort?.on("message", (request: ModuleRequest) => {
  void reply(request).then((answer) => {
    try {
      parentPort?.postMessage(answer);
    } catch {
      // Functions and the like cannot be passed on.
      parentPort?.postMessage({ kind: "decided", answer: "something that cannot be copied" } satisfies ModuleReply);
    }
  });
});
