import { AsyncLocalStorage } from "node:async_hooks";
import type { Blobs } from "@signalbox/blobs";
import { type Database, inTransaction, type TransactionHandle } from "@signalbox/database";
import { type Clock, type Logger, type Metrics, noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkKeys,
  checkList,
  checkMethods,
  checkObject,
  checkText,
  readGuarded,
} from "./check-options.js";
import { createDeadLetters, type DeadLetters } from "./dead-letters.js";
import type { EventDefinition, LogMode } from "./define-event.js";
import { describeStore, type StoreDescription } from "./describe.js";
import type { DispatchLog } from "./dispatch-log.js";
import { asInstance, createCodec, defaultFormat } from "./envelope.js";
import { EventStoreError, InvalidEvent } from "./errors.js";
import { type DomainEvent, EventInstance, type Resolver } from "./event.js";
import { EventBlobs } from "./event-blobs.js";
import { createEventLines } from "./event-lines.js";
import { type Limits, readLimits } from "./limits.js";
import { createStoreMetrics } from "./metrics.js";
import { Forwarder } from "./outbox/forwarder.js";
import { Outbox } from "./outbox/outbox.js";
import { Publisher, type PublishReceipt } from "./publisher.js";
import { createQueues, type Queues } from "./queues.js";
import { currentRecording } from "./recording.js";
import { createMemoryRecords } from "./records/memory.js";
import { createSqlRecords } from "./records/sql.js";
import { buildRegistry, type Configure, type Subscription } from "./registry.js";
import { createRunner, type Runner } from "./runner.js";
import { storeGauges } from "./store-gauges.js";
import type { Tracing } from "./tracing.js";
import { type JoinableTransaction, readTransaction, verifyTransaction } from "./transaction.js";
import { openTransport, releaseTransport } from "./transport-use.js";
import type { Transport } from "./transports/transport.js";
import { keepInternals, type StoreWatchers } from "./watch.js";
import { type DispatchExplanation, explain } from "./why.js";

export interface EventStoreOptions {
  readonly transport: Transport;
  /** Who publishes: `source` of every event that does not name another. */
  readonly source: string;
  /** Run once, in order, while the store is created. */
  readonly configure: Configure | readonly Configure[];
  /** Keeps dead letters and pauses. Default: the transport's database, else memory. */
  readonly database?: Database;
  /** Takes data that is too large for the transport. */
  readonly blobs?: Blobs;
  readonly dispatchLog?: DispatchLog;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** Reverse domain name in front of every type on the wire. Default `dev.signalbox`. */
  readonly typePrefix?: string;
  readonly schemaUri?: (type: string, version: number) => string;
  /** Answers for the feature flags of definitions. Default: all on. */
  readonly isEnabled?: (flag: string) => boolean;
  readonly resolvers?: { readonly user?: Resolver; readonly organization?: Resolver };
  /** Default: conditions `throw` unless `NODE_ENV` is `production`, the transport always `throw`. */
  readonly errors?: { readonly condition?: "throw" | "report"; readonly transport?: "throw" | "report" };
  readonly limits?: Partial<Limits>;
  /** Upper bound of what is logged about events. Default `all`. */
  readonly log?: LogMode;
  /** Whether log lines carry the data of events. Default true. */
  readonly logData?: boolean;
  /** Makes spans. Default: none are made. */
  readonly tracing?: Tracing;
}

export interface PublishOptions {
  /** Publishes as part of this open transaction: delivered if it commits, never if it rolls back. */
  readonly transaction?: JoinableTransaction;
  /**
   * Publishes after the commit of the `database.transaction` around this call, and not at all when it rolls back; outside
   * of one, at once. The call resolves right away, without decisions. A crash between the commit and the publish loses the
   * event: use `transaction` where that matters.
   */
  readonly afterCommit?: boolean;
}

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

  const admit = (event: unknown, code: "EVT_NOT_AN_EVENT" | "EVT_GROUP_MIXED"): EventInstance<unknown> => {
    if (!EventInstance.is(event)) throw new InvalidEvent(code);
    EventInstance.settle(event, home);
    return event;
  };

  const definitionOf = ({ type }: EventInstance<unknown>): EventDefinition<unknown> => {
    const definition = registry.lookup(type);
    if (definition) return definition;
    throw new InvalidEvent("EVT_UNKNOWN_TYPE", {
      message: `Event ${type} is not registered with this store`,
      details: { type },
    });
  };

  const transactionOf = (publishOptions: PublishOptions | undefined, events: readonly EventInstance<unknown>[]) => {
    if (publishOptions?.transaction !== undefined) {
      // What a test records goes nowhere, so the store may be another than the transaction's.
      if (currentRecording()?.keeps) return readTransaction(publishOptions.transaction);
      if (!database || (transport.database !== database && !outbox))
        throw new EventStoreError("EVT_TRANSACTION_FOREIGN", {
          message: `The ${transport.name} transport cannot join a transaction of this database`,
        });
      return readTransaction(publishOptions.transaction);
    }
    if (!inTransaction()) return undefined;
    const eventIds = events.map(({ id }) => id);
    const error = new EventStoreError("EVT_IN_TRANSACTION", { details: { eventIds } });
    logger.error("an event was published inside a transaction", { error, event_ids: eventIds });
    throw error;
  };

  /** What every publish goes through before anything is decided. */
  const beginPublish = (given: PublishOptions | undefined): PublishOptions | undefined => {
    if (phase.stopping) throw new EventStoreError("EVT_CLOSED");
    const publishOptions = given === undefined ? undefined : readCallOptions(given, ["transaction", "afterCommit"]);
    if (publishOptions) {
      checkBoolean(publishOptions.afterCommit, "afterCommit", refuseConfig);
      if (publishOptions.afterCommit && publishOptions.transaction !== undefined)
        refuseConfig("afterCommit", "`afterCommit` and `transaction` exclude each other");
    }
    if (publisher.waiting >= limits.maxPendingPublishes)
      throw new EventStoreError("EVT_OVERLOADED", { details: { limit: limits.maxPendingPublishes } });
    return publishOptions;
  };

  /** The receipt of events that a test has recorded: checked like all others, and handed to nobody. */
  const keepRecorded = (events: readonly EventInstance<unknown>[]): PublishReceipt | undefined => {
    const recording = currentRecording();
    if (!recording) return undefined;
    publisher.checkSizes(events);
    return recording.keep(events) ? { eventIds: events.map(({ id }) => id), decisions: [] } : undefined;
  };

  const watched = (
    events: readonly EventInstance<unknown>[],
    work: () => Promise<PublishReceipt>,
  ): Promise<PublishReceipt> => {
    if (watchers.size === 0) return work();
    for (const watcher of watchers) watcher.publishing(events);
    return work().finally(() => {
      for (const watcher of watchers) watcher.published(events);
    });
  };

  /** `undefined` when there is no transaction to wait for. After its commit nobody is there to be told of a failure. */
  const holdUntilCommit = (
    eventIds: readonly string[],
    work: () => Promise<PublishReceipt>,
  ): PublishReceipt | undefined => {
    const inContext = AsyncLocalStorage.snapshot();
    const publishNow = (): void => {
      inContext(async () => work()).catch((error: unknown) =>
        logger.error("an event could not be published after its transaction", { error, event_ids: eventIds }),
      );
    };
    return database?.afterCommit(publishNow) ? { eventIds, decisions: [] } : undefined;
  };

  const publishOne = (
    definition: EventDefinition<unknown>,
    event: EventInstance<unknown>,
    transaction: TransactionHandle | undefined,
  ): Promise<PublishReceipt> => {
    const recorded = currentRecording() && keepRecorded([event]);
    if (recorded) return Promise.resolve(recorded);
    // Nothing is made for watchers that are not there.
    if (watchers.size === 0) return publisher.publish(definition, event, transaction);
    return watched([event], () => publisher.publish(definition, event, transaction));
  };

  const publish = (candidate: unknown, given?: PublishOptions): Promise<PublishReceipt> => {
    try {
      const publishOptions = beginPublish(given);
      const event = admit(candidate, "EVT_NOT_AN_EVENT");
      const definition = definitionOf(event);
      if (publishOptions?.afterCommit) {
        const held = holdUntilCommit([event.id], () => publishOne(definition, event, undefined));
        if (held) return Promise.resolve(held);
      }
      return publishOne(definition, event, transactionOf(publishOptions, [event]));
    } catch (error) {
      return Promise.reject(error);
    }
  };

  const publishGroup = async (candidates: unknown, given?: PublishOptions): Promise<PublishReceipt> => {
    const publishOptions = beginPublish(given);
    if (!Array.isArray(candidates))
      throw new InvalidEvent("EVT_GROUP_MIXED", { message: "`publishGroup` takes a list of events" });
    const events = candidates.map((candidate) => admit(candidate, "EVT_GROUP_MIXED"));
    const [first] = events;
    if (!first) return { eventIds: [], decisions: [] };
    const stranger = events.find((event) => event.type !== first.type);
    if (stranger)
      throw new InvalidEvent("EVT_GROUP_MIXED", {
        message: `A group holds events of one definition only: ${first.type} and ${stranger.type}`,
        details: { types: [first.type, stranger.type] },
      });
    const definition = definitionOf(first);
    const eventIds = events.map(({ id }) => id);
    const publishIn = async (transaction: TransactionHandle | undefined): Promise<PublishReceipt> =>
      keepRecorded(events) ?? watched(events, () => publisher.publishGroup(definition, events, transaction));
    const held = publishOptions?.afterCommit ? holdUntilCommit(eventIds, () => publishIn(undefined)) : undefined;
    return held ?? publishIn(transactionOf(publishOptions, events));
  };

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
    publish,
    publishGroup,

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

const storeKeys: readonly (keyof EventStoreOptions)[] = [
  "transport",
  "source",
  "configure",
  "database",
  "blobs",
  "dispatchLog",
  "clock",
  "logger",
  "metrics",
  "typePrefix",
  "schemaUri",
  "isEnabled",
  "resolvers",
  "errors",
  "limits",
  "log",
  "logData",
  "tracing",
];

/** What shows at once that something else was given for a port. */
const portMethods: Partial<Record<keyof EventStoreOptions, readonly string[]>> = {
  transport: ["open", "enqueue", "consume", "settle", "close"],
  database: ["run", "batch", "transaction"],
  blobs: ["put", "get", "delete"],
  dispatchLog: ["dispatched", "handled", "flush"],
  clock: ["nowMs", "monotonicMs", "setTimer", "sleep"],
  logger: ["debug", "info", "warn", "error", "child"],
  metrics: ["counter", "gauge", "histogram"],
  tracing: ["publishing", "processing"],
};

function checkStoreOptions(options: EventStoreOptions): void {
  checkObject(options, "options", refuseConfig);
  checkKeys(options, storeKeys, "", refuseConfig);
  if (options.transport === undefined) refuseConfig("transport", "`transport` is missing");
  for (const [port, methods] of Object.entries(portMethods))
    checkMethods(Reflect.get(options, port), methods, port, refuseConfig);
  if (options.source === undefined) refuseConfig("source", "`source` is missing");
  checkText(options.source, "source", refuseConfig);
  for (const configure of [options.configure].flat()) {
    if (typeof configure !== "function") refuseConfig("configure", "`configure` must be a function or a list of them");
  }
  if (options.typePrefix !== undefined && !/^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$/.test(options.typePrefix))
    refuseConfig("typePrefix", "`typePrefix` must be a reverse domain name");
  checkFunction(options.schemaUri, "schemaUri", refuseConfig);
  checkFunction(options.isEnabled, "isEnabled", refuseConfig);
  if (options.resolvers !== undefined) {
    checkKeys(options.resolvers, ["user", "organization"], "resolvers.", refuseConfig);
    checkFunction(options.resolvers.user, "resolvers.user", refuseConfig);
    checkFunction(options.resolvers.organization, "resolvers.organization", refuseConfig);
  }
  if (options.errors !== undefined) {
    checkKeys(options.errors, ["condition", "transport"], "errors.", refuseConfig);
    checkChoice(options.errors.condition, ["throw", "report"], "errors.condition", refuseConfig);
    checkChoice(options.errors.transport, ["throw", "report"], "errors.transport", refuseConfig);
  }
  checkChoice(options.log, ["all", "failures", "off"], "log", refuseConfig);
  checkBoolean(options.logData, "logData", refuseConfig);
}

/** One day. */
const longestDeadlineMs = 86_400_000;

/** A copy: what an option says now holds. */
function readCallOptions<O extends object>(options: O, known: readonly string[]): O {
  return readGuarded("options", refuseConfig, () => {
    checkObject(options, "options", refuseConfig);
    checkKeys(options, known, "", refuseConfig);
    return { ...options };
  });
}

function refuseConfig(option: string, message: string, cause?: unknown): never {
  throw new EventStoreError("EVT_CONFIG_INVALID", { message, details: { option }, cause });
}
