import { AsyncLocalStorage } from "node:async_hooks";
import { type Database, inTransaction, type TransactionHandle } from "@signalbox/database";
import type { Logger } from "@signalbox/kernel";
import { checkBoolean } from "./check-options.js";
import type { EventDefinition } from "./define-event.js";
import { EventStoreError, InvalidEvent } from "./errors.js";
import { type EventHome, EventInstance } from "./event.js";
import type { Limits } from "./limits.js";
import type { PublishReceipt } from "./publish-outcome.js";
import type { Publisher } from "./publisher.js";
import { currentRecording } from "./recording.js";
import type { FrozenRegistry } from "./registry.js";
import { readCallOptions, refuseConfig } from "./store-options.js";
import { type JoinableTransaction, readTransaction } from "./transaction.js";
import type { Transport } from "./transports/transport.js";
import type { StoreWatchers } from "./watch.js";

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

/** What publishes go through before anything is decided about their events. */
export interface PublishCallParts {
  readonly publisher: Publisher;
  readonly registry: FrozenRegistry;
  readonly home: EventHome;
  readonly transport: Transport;
  readonly database: Database | undefined;
  /** Whether deliveries of a transaction that the transport cannot be part of have somewhere to wait. */
  readonly hasOutbox: boolean;
  readonly watchers: StoreWatchers;
  readonly logger: Logger;
  readonly limits: Limits;
  isStopping(): boolean;
}

/** `publish` and `publishGroup` of a store, for whatever they are called with. */
export interface PublishCalls {
  publish(candidate: unknown, options?: PublishOptions): Promise<PublishReceipt>;
  publishGroup(candidates: unknown, options?: PublishOptions): Promise<PublishReceipt>;
}

export function createPublishCalls(parts: PublishCallParts): PublishCalls {
  const { publisher, registry, home, transport, database, watchers, logger, limits } = parts;

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
      if (!database || (transport.database !== database && !parts.hasOutbox))
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
    if (parts.isStopping()) throw new EventStoreError("EVT_CLOSED");
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

  return { publish, publishGroup };
}
