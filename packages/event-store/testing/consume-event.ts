import { inContext, silentLogger } from "@signalbox/kernel";
import { Call, CallContext, type CallHost, contextOf } from "../call.js";
import type { BatchResult, Subscriber } from "../define-subscriber.js";
import { type Codec, createCodec, defaultFormat } from "../envelope.js";
import { type DomainEvent, EventInstance } from "../event.js";
import { createMemoryRecords } from "../records/memory.js";
import type { Lease } from "../transports/transport.js";
import { partsOf, type StoreUnderTest, storeOf } from "./store-under-test.js";

export interface ConsumeEventOptions<D> {
  readonly subscriber: Subscriber<D>;
  /** An event, or the wire form of one, of an older version for example; that needs a `store`. */
  readonly event: DomainEvent<NoInfer<D>> | string | Uint8Array;
  /** Whose definitions, source, resolvers and database are used. Default: what the event brings. */
  readonly store?: StoreUnderTest;
  /** What `context.attempt` says. Default 1. */
  readonly attempt?: number;
}

/**
 * Handles one event as a worker would, without a queue: the event is written, read, brought up to the current version
 * and checked, and the handler runs in the event's context. Rejects as the handler does.
 * @throws {InvalidEvent} `EVT_UNKNOWN_TYPE` for an event that the store does not know, `EVT_DATA_INVALID`, …
 */
export async function consumeEvent<D>(options: ConsumeEventOptions<D>): Promise<void> {
  const { subscriber, event: given, store, attempt = 1 } = options;
  const parts = store && partsOf(storeOf(store), "consumeEvent");
  const codec = parts?.codec ?? codecOf(given);
  const wire = typeof given === "string" || given instanceof Uint8Array ? given : codec.encode(given);
  const event = codec.decode(wire);

  const subscription = `${subscriber.name}/${event.type}`;
  const lease: Lease = {
    deliveryId: `${event.id}.${subscription}`,
    subscription,
    body: typeof wire === "string" ? wire : new TextDecoder().decode(wire),
    key: event.key,
    attempts: attempt - 1,
    crashes: 0,
    crashesAlone: 0,
    progress: null,
    dueAtMs: Date.now(),
    firstDueAtMs: Date.now(),
  };
  const host: CallHost = {
    log: silentLogger.child(subscriber.name),
    subscriberName: subscriber.name,
    meta: { caller_id: subscriber.name, feature_category: subscriber.context },
    once: parts?.records.once ?? createMemoryRecords().once,
    ignored() {},
  };
  const call = new Call([lease], Date.now(), performance.now());
  const context = new CallContext(call, host, [event], lease.deliveryId, attempt);
  // Types were checked by the caller's compiler, data by decoding.
  const typed = event as DomainEvent<D>;
  const { handle, handleBatch } = subscriber.options;
  await inContext(contextOf(event, host.meta), async () => {
    if (handle) await handle(typed, context);
    else throwFailed((await handleBatch?.([typed], context)) ?? { failed: [] });
  });
}

function codecOf(event: unknown): Codec {
  const definition = EventInstance.is(event) ? EventInstance.definition(event) : undefined;
  const source = (EventInstance.is(event) && event.source) || "/test";
  const home = { source, nowMs: Date.now, user: undefined, organization: undefined };
  const lookup = (type: string) => (definition && type === definition.type ? definition : null);
  return createCodec({ lookup }, defaultFormat, home);
}

function throwFailed({ failed }: BatchResult): void {
  const [first] = failed;
  if (first) throw first.error;
}
