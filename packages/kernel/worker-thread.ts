import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type ResourceLimits, Worker } from "node:worker_threads";

export interface WorkerThreadOptions {
  readonly resourceLimits?: ResourceLimits;
  /** What the thread finds as `workerData`; copied. */
  readonly workerData?: unknown;
}

/**
 * Starts a module of the program in a thread of its own. From source the thread registers a loader first, which a
 * built program needs none of.
 * @param base `import.meta.url` of the caller
 * @param program the module beside it, by its name without extension
 */
export function startWorkerThread(base: string, program: string, options: WorkerThreadOptions = {}): Worker {
  if (!base.endsWith(".ts")) return new Worker(fileURLToPath(new URL(`./${program}.js`, base)), options);
  const loader = pathToFileURL(createRequire(base).resolve("tsx/esm/api").replace(/cjs$/, "mjs")).href;
  const source = new URL(`./${program}.ts`, base).href;
  const code = `import("${loader}").then(({ register }) => register()).then(() => import("${source}"))`;
  return new Worker(code, { ...options, eval: true, execArgv: ["--conditions", "source"] });
}
