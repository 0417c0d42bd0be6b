import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { checkInteger, checkList, readGuarded } from "./check-options.js";
import { createDeadLetters, type DeadLetters } from "./dead-letters.js";
import type { EventDefinition } from "./define-event.js";
import { describeStore, type StoreDescription } from "./describe.js";
import { asInstance, createCodec, defaultFormat } from "./envelope.js";
import { EventStoreError } from "./errors.js";
import type { DomainEvent } from "./event.js";
import { EventBlobs } from "./event-blobs.js";
import { createEventLines } from "./event-lines.js";
import { readLimits } from "./limits.js";
import { createStoreMetrics } from "./metrics.js";
import { Forwarder } from "./outbox/forwarder.js";
import { Outbox } from "./outbox/outbox.js";
import { createPublishCalls, type PublishOptions } from "./publish-calls.js";
import type { PublishReceipt } from "./publish-outcome.js";
import { Publisher } from "./publisher.js";
import { createQueues, type Queues } from "./queues.js";
import { createMemoryRecords } from "./records/memory.js";
import { createSqlRecords } from "./records/sql.js";
import { buildRegistry, type Subscription } from "./registry.js";
import { createRunner, type Runner } from "./runner.js";
import { storeGauges } from "./store-gauges.js";
import { checkStoreOptions, type EventStoreOptions, readCallOptions, refuseConfig } from "./store-options.js";
import { verifyTransaction } from "./transaction.js";
import { openTransport, releaseTransport } from "./transport-use.js";
import { keepInternals, type StoreWatchers } from "./watch.js";
import { type DispatchExplanation, explain } from "./why.js";

export interface EventStore {
  /**
   * Decides for every subscription and hands the deliveries to the transport. Resolves when the transport has all of
   * them durably. Conditions run before this returns. Repeating a rejected publish with the same event is safe.
   * @throws {InvalidEvent} `EVT_NOT_AN_EVENT`, `EVT_UNKNOWN_TYPE`, `EVT_TOO_LARGE`.
   * @throws {EventStoreError} `EVT_IN_TRANSACTION`, `EVT_TRANSACTION_CLOSED`, `EVT_TRANSACTION_FOREIGN`, `EVT_CLOSED`,
   * `EVT_DISPATCH_FAILED`; worth retrying: `EVT_TRANSPORT_UNAVAILABLE`, `EVT_TRANSPORT_FULL`, `EVT_OVERLOADED`.
   */
  publish(event: DomainEvent<unknown>, options?: PublishOptions): Promise<PublishReceipt>;
  /** The same for many events of one definition: each subscription gets them in groups. @throws also `EVT_GROUP_MIXED`. */
  publishGroup(events: readonly DomainEvent<unknown>[], options?: PublishOptions): Promise<PublishReceipt>;
  /** Begins to handle deliveries, of all subscribers or of those named. Twice is one start. @throws `EVT_CLOSED`. */
  start(options?: { readonly only?: readonly string[] }): Promise<void>;
  /**
   * Takes nothing new, lets handlers end, aborts their signals 2 s before the deadline and hands back what still runs
   * at it. Default deadline 20,000. A second call joins the first.
   */
  stop(options?: { readonly deadlineMs?: number }): Promise<void>;
  /** Lets deliveries of a subscriber wait, in every process within 5 s and until `resume`. */
  pause(subscriber: string): Promise<void>;
  resume(subscriber: string): Promise<void>;
  /** In dispatch order; empty for an unknown type. Frozen. */
  subscribersFor(target: EventDefinition<unknown> | string): readonly Subscription[];
  describe(): StoreDescription;
  /** Every registered definition, in order of registration. Frozen. */
  readonly definitions: readonly EventDefinition<unknown>[];
  /**
   * What became of one event: who got it, who did not and why, and what its handlers published. Reads the dispatch log
   * and what waits now; `null` for an event that neither knows. A log that cannot be read is said to be so.
   */
  why(eventId: string): Promise<DispatchExplanation | null>;
  /** The wire form that subscribers of this store get. */
  encodeEvent(event: DomainEvent<unknown>): string;
  /** An event of its wire form. @throws {InvalidEvent} saying what is wrong with it. */
  decodeEvent(wire: string | Uint8Array | object): DomainEvent<unknown>;
  readonly dead: DeadLetters;
  readonly queues: Queues;
  /**
   * Rejects while what was published in transactions has waited for longer than `outboxMaxLagMs` to get into the transport.
   * @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE`, with `pending` and `lagMs` in its details.
   */
  checkOutbox(): Promise<void>;
}

/**
 * Creates a store: runs the configure functions and freezes what they registered. Opens nothing; publishing works at
 * once, deliveries are handled after `start()`.
 * @throws {EventStoreError} `EVT_CONFIG_INVALID`, and whatever registration throws.
 */
export function createEventStore(given: EventStoreOptions): EventStore {
  const options = readGuarded("options", refuseConfig, () => {
    checkStoreOptions(given);
    return { ...given, limits: readLimits(given.limits) };
  });
  const { transport, blobs, dispatchLog, clock = systemClock, logger = silentLogger } = options;
  const database = options.database ?? transport.database;
  if (transport.needsDatabase && !database)
    refuseConfig("database", `The ${transport.name} transport needs \`database\``);
  const { limits } = options;
  const home = {
    source: options.source,
    nowMs: () => clock.nowMs(),
    user: options.resolvers?.user,
    organization: options.resolvers?.organization,
  };
  const registry = buildRegistry([options.configure].flat(), home);
  const format = {
    typePrefix: options.typePrefix ?? defaultFormat.typePrefix,
    schemaUri: options.schemaUri ?? defaultFormat.schemaUri,
  };
  const codec = createCodec(registry, format, home);
  const records = database ? createSqlRecords(database, clock) : createMemoryRecords();
  // A transport with a database takes part in its transactions, and in no others.
  const outbox = database && !transport.database ? new Outbox(database, clock) : undefined;
  const isOpen = (): boolean => phase.opened && !phase.stopping;
  const metrics = createStoreMetrics(
    options.metrics ?? noMetrics,
    registry,
    storeGauges({ registry, transport, records, clock, outbox, isOpen }),
  );
  const watchers: StoreWatchers = new Set();
  const lines = createEventLines({ mode: options.log ?? "all", data: options.logData ?? true });
  const eventBlobs = blobs && new EventBlobs({ blobs, records: records.blobs, clock, logger });
  const { tracing } = options;
  const reported = { metrics, lines, dispatchLog, tracing };
  const parts = { registry, transport, codec, records, eventBlobs, clock, logger, watchers, limits, ...reported };
  const phase: Phase = {
    opened: false,
    opening: undefined,
    starting: undefined,
    stopping: undefined,
    runner: undefined,
  };

  const open = (): Promise<void> => {
    phase.opening ??= openTransport(transport).then(
      () => {
        phase.opened = true;
      },
      (error: unknown) => {
        // The next publish or start tries again.
        phase.opening = undefined;
        throw error;
      },
    );
    return phase.opening;
  };

  const forwarder =
    outbox &&
    new Forwarder({
      ...parts,
      outbox,
      open,
      pollMs: limits.outboxPollMs,
      onForwarded: (count) => metrics.outboxForwarded.add(count),
    });

  const publisher = new Publisher({
    ...parts,
    enqueue(deliveries, transaction) {
      if (!transaction || !outbox) return transport.enqueue(deliveries, transaction && { transaction });
      forwarder?.start();
      return outbox.add(deliveries, transaction);
    },
    isEnabled: options.isEnabled ?? (() => true),
    errors: {
      condition: options.errors?.condition ?? (process.env["NODE_ENV"] === "production" ? "report" : "throw"),
      transport: options.errors?.transport ?? "throw",
    },
    ready: (transaction) => {
      if (!transaction || !database) return phase.opened ? undefined : open();
      // The outbox takes deliveries while the transport is away.
      return (phase.opened || outbox ? Promise.resolve() : open()).then(() => verifyTransaction(transaction, database));
    },
    timeConditions: options.metrics !== undefined || dispatchLog !== undefined,
  });

  const calls = createPublishCalls({
    ...parts,
    publisher,
    home,
    database,
    hasOutbox: outbox !== undefined,
    isStopping: () => phase.stopping !== undefined,
  });

  const startOnce = async (only: readonly string[] | undefined): Promise<void> => {
    for (const name of only ?? []) {
      if (!registry.subscribers.some(({ subscriber }) => subscriber.name === name))
        refuseConfig("only", `No subscriber is named ${name}`);
    }
    await open();
    if (phase.stopping) throw new EventStoreError("EVT_CLOSED");
    forwarder?.start();
    phase.runner = createRunner({ ...parts, outbox, only, random: Math.random, once: records.once });
    await phase.runner.start();
  };

  const setPaused = async (subscriber: string, paused: boolean): Promise<void> => {
    if (phase.stopping) throw new EventStoreError("EVT_CLOSED");
    await records.pauses.set(subscriber, paused, clock.nowMs());
    phase.runner?.setPaused(subscriber, paused);
  };

  const store = Object.freeze({
    ...calls,

    async start(startOptions = {}) {
      const { only } = readCallOptions(startOptions, ["only"]);
      checkList(only, "only", refuseConfig);
      if (phase.stopping) throw new EventStoreError("EVT_CLOSED");
      phase.starting ??= startOnce(only).catch((error: unknown) => {
        phase.starting = undefined;
        throw error;
      });
      await phase.starting;
    },

    async stop(stopOptions = {}) {
      const { deadlineMs = 20_000 } = readCallOptions(stopOptions, ["deadlineMs"]);
      checkInteger(deadlineMs, 0, longestDeadlineMs, "deadlineMs", refuseConfig);
      phase.stopping ??= (async () => {
        await phase.starting?.catch(() => {});
        await phase.runner?.stop(deadlineMs);
        await forwarder?.stop();
        await dispatchLog?.flush();
        if (phase.opening) await releaseTransport(transport);
      })();
      await phase.stopping;
    },

    pause: (subscriber) => setPaused(subscriber, true),
    resume: (subscriber) => setPaused(subscriber, false),
    subscribersFor: (target) => registry.subscribersFor(typeof target === "string" ? target : target.type),
    describe: () => describeStore(registry, transport, limits),
    definitions: registry.definitions,
    why: (eventId) => explain(eventId, { ...parts, open, history: dispatchLog?.history }),
    encodeEvent: (event) => codec.encode(asInstance(event)),
    decodeEvent: (wire) => codec.decode(wire),
    dead: createDeadLetters({ ...parts, open }),
    queues: createQueues({ ...parts, open }),
    async checkOutbox() {
      if (phase.stopping) throw new EventStoreError("EVT_CLOSED");
      const status = await outbox?.status();
      if (status && status.lagMs > limits.outboxMaxLagMs)
        throw new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", { details: { ...status } });
    },
  } satisfies EventStore);
  keepInternals(store, { ...parts, outbox });
  return store;
}

interface Phase {
  opened: boolean;
  opening: Promise<void> | undefined;
  starting: Promise<void> | undefined;
  stopping: Promise<void> | undefined;
  runner: Runner | undefined;
}

/** One day. */
const longestDeadlineMs = 86_400_000;
