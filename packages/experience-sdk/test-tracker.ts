import {
  type AdmitOptions,
  admit,
  type CheckpointPayload,
  type CounterKey,
  createMemoryStore,
  createRegistry,
  type Definition,
  parseDefinition,
  type Run,
  readPayload,
  type StoredRun,
} from "@signalbox/experience";
import { createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import type { Client } from "./client.js";
import { createClient } from "./create-client.js";
import type { ClientOptions } from "./options.js";
import type { DefinitionsInCode } from "./read-definitions.js";
import type { BatchAnswer, BatchRequest, CheckpointTransport } from "./transport.js";

export interface TestTrackerOptions {
  /** Contents of definition files by id. */
  readonly definitions: DefinitionsInCode;
  /** Default: one that begins on 1 January 2026. */
  readonly clock?: VirtualClock;
}

/**
 * The tracker's rules in the test's own process, without network and without waiting: real definitions, real verdicts,
 * a clock that moves only when told to.
 */
export interface TestTracker {
  readonly clock: VirtualClock;
  /** A client that sends here; strict, so that mistakes are thrown. `type` is `web` unless it is given. */
  createClient(options?: Partial<ClientOptions>): Client;
  /** For clients that are made elsewhere. */
  readonly transport: CheckpointTransport;
  /** Every checkpoint that arrived, as it was sent. */
  readonly checkpoints: readonly CheckpointPayload[];
  /** Sends what clients made here have recorded. */
  settle(): Promise<void>;
  /** Lets time pass: what falls due meanwhile times out. */
  advanceBy(durationMs: number): Promise<void>;
  /** Run and timeline, or `undefined`. */
  find(id: string, correlationId: string, run?: string): Promise<StoredRun | undefined>;
  /** State of a run, or `undefined`. */
  stateOf(experience: {
    readonly id: string;
    readonly correlationId: string | undefined;
    readonly run: string | undefined;
  }): Promise<Run["state"] | undefined>;
  /** Series of the tracker's counters at their values, e.g. `checkpoint|checkout|shop|sync_fast|web|start`. */
  counters(): Promise<ReadonlyMap<CounterKey, number>>;
  /** Headers as another service would send them that has just started this journey. */
  startedElsewhere(id: string): Promise<Record<string, string>>;
  /** Shuts the clients down. */
  close(): Promise<void>;
}

const tenant = "default";
const admitOptions: AdmitOptions = {
  tenant,
  types: new Set(["web", "api", "git", "internal-api", "sidekiq", "websockets", "worker", "database", "browser"]),
  discardReasons: new Set(["user_error", "configuration", "cancelled", "unspecified"]),
  unknown: "reject",
};

/** @throws {TypeError} for a definition that is not valid */
export function createTestTracker({ definitions, clock = createVirtualClock() }: TestTrackerOptions): TestTracker {
  const registry = createRegistry(Object.entries(definitions).map(([id, content]) => definitionOf(id, content)));
  const store = createMemoryStore({ clock });
  const clients: Client[] = [];
  const checkpoints: CheckpointPayload[] = [];

  const takeOne = async (text: string): Promise<{ status: number; code?: string }> => {
    const sent: CheckpointPayload = JSON.parse(text);
    checkpoints.push(sent);
    const reading = readPayload(sent);
    if (reading.kind === "invalid") return { status: 422, code: reading.faults[0]?.code ?? "invalid_checkpoint" };
    const admission = admit(reading.payload, registry, admitOptions);
    if (admission.kind === "refused") return { status: 422, code: admission.code };
    await store.apply([admission.checkpoint]);
    return { status: 200 };
  };

  const send = async ({ checkpoints: texts }: BatchRequest): Promise<BatchAnswer> => {
    const results: object[] = [];
    for (const [index, text] of texts.entries()) {
      const { status, code } = await takeOne(text);
      results.push({ index, status, retryable: false, ...(code === undefined ? {} : { error: { code } }) });
    }
    return { status: 200, body: { results } };
  };

  const tracker: TestTracker = {
    clock,
    transport: { send },
    checkpoints,
    createClient(options = {}) {
      const client = createClient({
        type: "web",
        environment: "test",
        definitions,
        transport: tracker.transport,
        clock,
        ...options,
      });
      clients.push(client);
      return client;
    },
    async settle() {
      for (const client of clients) {
        const flushed = client.flush();
        await clock.advanceBy(0);
        await flushed;
      }
    },
    async advanceBy(durationMs) {
      await tracker.settle();
      // In steps of due times, so that each run is closed at its own.
      const endMs = clock.nowMs() + durationMs;
      for (let dueMs = await store.nextDue(); dueMs !== undefined && dueMs < endMs; dueMs = await store.nextDue()) {
        await clock.advanceBy(Math.max(0, dueMs + 1 - clock.nowMs()));
        await tracker.settle();
        await store.claimDue(1_000);
      }
      await clock.advanceBy(Math.max(0, endMs - clock.nowMs()));
      await tracker.settle();
    },
    find: (id, correlationId, run = "1") => store.get({ tenant, experienceId: id, correlationId, run }),
    async stateOf({ id, correlationId, run }) {
      if (correlationId === undefined) return undefined;
      await tracker.settle();
      return (await tracker.find(id, correlationId, run))?.run.state;
    },
    counters: () => store.counters(),
    async startedElsewhere(id) {
      const client = tracker.createClient();
      const headers = client.withContext(() => {
        client.start(id);
        return client.inject<Record<string, string>>({});
      });
      await tracker.settle();
      return headers;
    },
    async close() {
      for (const client of clients) {
        const stopped = client.shutdown();
        await clock.advanceBy(0);
        await stopped;
      }
      await store.close();
    },
  };
  return tracker;
}

function definitionOf(id: string, content: object): Definition {
  const reading = parseDefinition(id, content);
  if (reading.kind === "valid") return reading.definition;
  const [fault] = reading.errors;
  throw new TypeError(`The definition ${id} is not valid: ${fault?.field ?? ""} ${fault?.message ?? ""}`);
}
