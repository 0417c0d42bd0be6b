import type { Benchmark } from "./harness.js";

/** Every benchmark by name, loaded when asked for, so that one does not need the peers of another. */
export const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  "event-store-sqlite": async () => (await import("./event-store-sqlite.js")).eventStoreSqlite,
  "event-store-bullmq": async () => (await import("./event-store-bullmq.js")).eventStoreBullmq,
  "event-store-jetstream": async () => (await import("./event-store-jetstream.js")).eventStoreJetStream,
  "event-store-outbox": async () => (await import("./event-store-outbox.js")).eventStoreOutbox,
  "event-store-construct": async () => (await import("./event-store-construct.js")).eventStoreConstruct,
  "event-store-memory": async () => (await import("./event-store-memory.js")).eventStoreMemory,
  "event-store-conditions": async () => (await import("./event-store-conditions.js")).eventStoreConditions,
  "event-store-startup": async () => (await import("./event-store-startup.js")).eventStoreStartup,
  "event-store-keys": async () => (await import("./event-store-keys.js")).eventStoreKeys,
  "event-store-postgres": async () => (await import("./event-store-postgres.js")).eventStorePostgres,
  "event-store-latency": async () => (await import("./event-store-latency.js")).eventStoreLatency,
  "event-store-group": async () => (await import("./event-store-group.js")).eventStoreGroup,
  "event-store-backlog": async () => (await import("./event-store-backlog.js")).eventStoreBacklog,
  "event-store-observability": async () => (await import("./event-store-observability.js")).eventStoreObservability,
  "event-store-recovery": async () => (await import("./event-store-recovery.js")).eventStoreRecovery,
  "experience-sdk": async () => (await import("./experience-sdk.js")).experienceSdk,
  "errors-ingest": async () => (await import("./errors-ingest.js")).errorsIngest,
  "relay-ingest": async () => (await import("./relay-ingest.js")).relayIngest,
  "relay-negentropy": async () => (await import("./relay-negentropy.js")).relayNegentropy,
  "relay-query": async () => (await import("./relay-query.js")).relayQuery,
  "relay-fanout": async () => (await import("./relay-fanout.js")).relayFanout,
  "relay-verify": async () => (await import("./relay-verify.js")).relayVerify,
  "platform-http": async () => (await import("./platform-http.js")).platformHttp,
};
