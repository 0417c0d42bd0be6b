import type { Benchmark } from "./harness.js";

/** Every benchmark by name, loaded when asked for, so that one does not need the peers of another. */
export const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  "event-store-sqlite": async () => (await import("./event-store-sqlite.js")).eventStoreSqlite,
  "errors-ingest": async () => (await import("./errors-ingest.js")).errorsIngest,
  "platform-http": async () => (await import("./platform-http.js")).platformHttp,
};
