import type { Blobs } from "@signalbox/blobs";
import type { TransactionHandle } from "@signalbox/database";
import type { Clock, Logger } from "@signalbox/kernel";
import type { EventDefinition } from "./define-event.js";
import {
  type Accepted,
  type Decision,
  judge,
  type PlannedDelivery,
  planGroups,
  planSingle,
  type Verdict,
} from "./dispatch.js";
import type { DispatchLog } from "./dispatch-log.js";
import type { Codec } from "./envelope.js";
import { fingerprintOf, recordError } from "./error-record.js";
import { EventStoreError } from "./errors.js";
import { EventInstance } from "./event.js";
import type { EventLines } from "./event-lines.js";
import type { Limits } from "./limits.js";
import type { StoreMetrics } from "./metrics.js";
import type { NewDeadLetter, Records } from "./records/records.js";
import type { FrozenRegistry, Subscription } from "./registry.js";
import type { Delivery, EnqueueResult, Transport } from "./transports/transport.js";

export interface PublisherOptions {
  readonly registry: FrozenRegistry;
  readonly transport: Transport;
  readonly codec: Codec;
  readonly records: Records;
  readonly blobs: Blobs | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StoreMetrics;
  readonly lines: EventLines;
  readonly dispatchLog: DispatchLog | undefined;
  readonly limits: Limits;
  readonly isEnabled: (flag: string) => boolean;
  readonly errors: { readonly condition: "throw" | "report"; readonly transport: "throw" | "report" };
  /** Somebody counts how long conditions take. */
  readonly timeConditions: boolean;
}

/** What a publish concluded, for each event and subscription. */
export interface PublishReceipt {
  readonly eventIds: readonly string[];
  readonly decisions: readonly ReceiptDecision[];
}

export interface ReceiptDecision {
  readonly eventId: string;
  /** `null` when nobody is subscribed. */
  readonly subscription: string | null;
  readonly decision: Decision;
  readonly deliveryId: string | null;
}

/** One event and one subscription on their way through a publish. */
interface Outcome {
  readonly event: EventInstance<unknown>;
  readonly subscription: Subscription | null;
  readonly conditionUs: number;
  decision: Decision;
  deliveryId: string | null;
  dueAtMs: number;
  error: unknown;
}

interface Planned {
  readonly delivery: PlannedDelivery;
  readonly outcomes: readonly Outcome[];
}

/** Encoded events above this size are worth a warning. */
const largeEventBytes = 65_536;
const warningGapMs = 60_000;
/** Deliveries of one call to the transport, and events judged before the event loop gets a turn. */
const sliceSize = 1_000;
const judgedAtOnce = 2_000;

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #warnedAtMs = new Map<string, number>();
  readonly #deprecationTold = new Set<string>();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** All events are of this definition. Conditions of a single event run before this returns. */
  async publish(
    definition: EventDefinition<unknown>,
    events: readonly EventInstance<unknown>[],
    group: boolean,
    transaction: TransactionHandle | undefined,
  ): Promise<PublishReceipt> {
    const startedMs = this.#options.clock.monotonicMs();
    const nowMs = this.#options.clock.nowMs();
    const subscriptions = this.#options.registry.subscribersFor(definition.type);
    const outcomes: Outcome[] = [];
    let planned: Planned[] = [];
    if (subscriptions.length === 0) for (const event of events) outcomes.push(outcome(event, null, "no_subscribers"));
    else if (definition.flag !== undefined && !this.#options.isEnabled(definition.flag)) {
      for (const event of events)
        for (const subscription of subscriptions) outcomes.push(outcome(event, subscription, "flag_off"));
    } else if (group) planned = await this.#planGroup(events, subscriptions, outcomes, nowMs);
    else planned = this.#planSingle(events, subscriptions, outcomes, nowMs);

    if (definition.deprecated) this.#warnDeprecated(definition);
    const failures = outcomes.filter(({ decision }) => decision === "condition_error");
    let transportError: unknown;
    try {
      transportError = await this.#enqueue(planned, transaction);
      if (failures.length > 0) await this.#writeFailures(failures, transaction);
    } finally {
      for (const event of events) EventInstance.forgetDataJson(event);
    }
    this.#tell(definition, events, outcomes, startedMs, nowMs);
    this.#throwIfWanted(events, failures, transportError);
    return {
      eventIds: events.map((event) => event.id),
      decisions: outcomes.map(({ event, subscription, decision, deliveryId }) => ({
        eventId: event.id,
        subscription: subscription?.id ?? null,
        decision,
        deliveryId,
      })),
    };
  }

  // Deciding

  #planSingle(
    events: readonly EventInstance<unknown>[],
    subscriptions: readonly Subscription[],
    outcomes: Outcome[],
    nowMs: number,
  ): Planned[] {
    const planned: Planned[] = [];
    for (const event of events) {
      for (const subscription of subscriptions) {
        const { verdict, outcome } = this.#judge(subscription, event);
        outcomes.push(outcome);
        if (verdict.kind !== "accept") continue;
        const delivery = planSingle(subscription, { event, key: verdict.key, dedup: verdict.dedup }, nowMs);
        planned.push({ delivery, outcomes: [outcome] });
      }
    }
    return planned;
  }

  async #planGroup(
    events: readonly EventInstance<unknown>[],
    subscriptions: readonly Subscription[],
    outcomes: Outcome[],
    nowMs: number,
  ): Promise<Planned[]> {
    const planned: Planned[] = [];
    let judged = 0;
    for (const subscription of subscriptions) {
      const accepted: Accepted[] = [];
      const outcomeOf = new Map<EventInstance<unknown>, Outcome>();
      for (const event of events) {
        const { verdict, outcome } = this.#judge(subscription, event);
        outcomes.push(outcome);
        outcomeOf.set(event, outcome);
        if (verdict.kind === "accept") accepted.push({ event, key: verdict.key, dedup: verdict.dedup });
        if (++judged % judgedAtOnce === 0) await nextTurn();
      }
      for (const delivery of planGroups(subscription, accepted, nowMs, this.#options.limits))
        planned.push({ delivery, outcomes: delivery.events.flatMap((event) => outcomeOf.get(event) ?? []) });
    }
    return planned;
  }

  #judge(
    subscription: Subscription,
    event: EventInstance<unknown>,
  ): { readonly verdict: Verdict; readonly outcome: Outcome } {
    let conditionUs = 0;
    let verdict: Verdict;
    if (this.#options.timeConditions && subscription.condition) {
      const { clock, metrics } = this.#options;
      const startedMs = clock.monotonicMs();
      verdict = judge(subscription, event);
      const elapsedMs = clock.monotonicMs() - startedMs;
      conditionUs = elapsedMs * 1_000;
      metrics.conditionSeconds.observe(elapsedMs / 1_000, { subscription: subscription.id });
    } else verdict = judge(subscription, event);
    if (verdict.kind === "fail")
      return { verdict, outcome: outcome(event, subscription, "condition_error", conditionUs, verdict.error) };
    // What is accepted is dispatched unless the transport says otherwise.
    const decision =
      verdict.kind === "refuse" ? "condition_false" : subscription.options.delayMs > 0 ? "scheduled" : "dispatched";
    return { verdict, outcome: outcome(event, subscription, decision, conditionUs) };
  }

  // Handing over

  /** Resolves with the first error of the transport, after everything was tried. */
  async #enqueue(planned: readonly Planned[], transaction: TransactionHandle | undefined): Promise<unknown> {
    let firstError: unknown;
    for (let from = 0; from < planned.length; from += sliceSize) {
      if (from > 0) await nextTurn();
      const slice = from === 0 && planned.length <= sliceSize ? planned : planned.slice(from, from + sliceSize);
      try {
        const deliveries: Delivery[] = [];
        for (const { delivery } of slice) {
          const encoded = this.#encode(delivery);
          deliveries.push(
            typeof encoded === "string" ? toDelivery(delivery, encoded) : toDelivery(delivery, await encoded),
          );
          if (delivery.group && deliveries.length % 50 === 0) await nextTurn();
        }
        const results = await this.#options.transport.enqueue(deliveries, transaction && { transaction });
        firstError ??= applyResults(slice, results);
      } catch (error) {
        if (isCallersFault(error)) throw error;
        this.#countTransportError(error);
        for (const { outcomes } of slice) for (const outcome of outcomes) failDelivery(outcome, error);
        firstError ??= error;
      }
    }
    return firstError;
  }

  #encode(delivery: PlannedDelivery): string | Promise<string> {
    const { group, events, key } = delivery;
    if (!group) {
      const [event] = events;
      return event ? this.#encodeEvent(event, key) : "null";
    }
    const encoded = events.map((event) => this.#encodeEvent(event, key));
    if (encoded.every((item) => typeof item === "string")) return `[${encoded.join(",")}]`;
    return Promise.all(encoded).then((items) => `[${items.join(",")}]`);
  }

  #encodeEvent(event: EventInstance<unknown>, key: string | null): string | Promise<string> {
    const { codec, limits, metrics, registry } = this.#options;
    const json = codec.encode(event, { key: key ?? event.key });
    // A UTF-16 unit takes at most three bytes, so small events need no exact count.
    if (json.length * 3 <= largeEventBytes) {
      metrics.eventBytes.observe(json.length, { event: event.type });
      return json;
    }
    const bytes = Buffer.byteLength(json);
    metrics.eventBytes.observe(bytes, { event: event.type });
    if (bytes > limits.maxEventBytes) throw tooLarge(event, bytes, limits.maxEventBytes);
    if (bytes > largeEventBytes) this.#warnLarge(event, bytes);
    const maxInlineBytes = registry.lookup(event.type)?.maxInlineBytes ?? limits.maxInlineBytes;
    return bytes > maxInlineBytes ? this.#spill(event, key, bytes, maxInlineBytes) : json;
  }

  /** The data goes to the blob store, the envelope says where it is. */
  async #spill(event: EventInstance<unknown>, key: string | null, bytes: number, maxBytes: number): Promise<string> {
    const { blobs, codec } = this.#options;
    if (!blobs) throw tooLarge(event, bytes, maxBytes);
    const stored = await blobs.put(Buffer.from(EventInstance.dataJson(event)), { namespace: "event-data" });
    return codec.encode(event, { key: key ?? event.key, dataRef: stored.key });
  }

  // Failures

  async #writeFailures(failures: readonly Outcome[], transaction: TransactionHandle | undefined): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const letters = failures.flatMap((failure) => this.#letterOf(failure, nowMs) ?? []);
    await this.#options.records.deadLetters.write(letters, transaction);
    for (const { subscription, reason } of letters) this.#options.metrics.deadLetters.add(1, { subscription, reason });
  }

  #letterOf({ event, subscription, error }: Outcome, nowMs: number): NewDeadLetter | undefined {
    if (!subscription) return undefined;
    const record = recordError(error);
    return {
      id: `${event.id}.${subscription.id}`,
      subscription: subscription.id,
      eventType: event.type,
      event: this.#options.codec.encode(event),
      reason: "condition_error",
      error: record,
      attempts: [],
      fingerprint: fingerprintOf(subscription.id, record),
      correlationId: event.correlationId,
      firstFailedAtMs: nowMs,
      deadAtMs: nowMs,
    };
  }

  #throwIfWanted(
    events: readonly EventInstance<unknown>[],
    failures: readonly Outcome[],
    transportError: unknown,
  ): void {
    const { errors, logger } = this.#options;
    const eventIds = events.map((event) => event.id);
    if (transportError !== undefined) {
      if (errors.transport === "throw") throw asTransportError(transportError, eventIds);
      logger.error("events could not be handed to the transport", { error: transportError, event_ids: eventIds });
    }
    if (failures.length === 0) return;
    const causes = failures.map(({ error }) => error);
    if (errors.condition === "throw")
      throw new EventStoreError("EVT_DISPATCH_FAILED", {
        errors: causes,
        cause: causes[0],
        details: { eventIds, subscriptions: failures.map(({ subscription }) => subscription?.id) },
      });
    for (const { event, subscription, error } of failures)
      logger.error("a subscription's condition failed", {
        error,
        event_id: event.id,
        event_ids: eventIds,
        subscription: subscription?.id,
      });
  }

  #countTransportError(error: unknown): void {
    const code = error instanceof EventStoreError ? error.code : "EVT_TRANSPORT_UNAVAILABLE";
    this.#options.metrics.transportErrors.add(1, { operation: "enqueue", code });
  }

  // Telling

  #tell(
    definition: EventDefinition<unknown>,
    events: readonly EventInstance<unknown>[],
    outcomes: readonly Outcome[],
    startedMs: number,
    nowMs: number,
  ): void {
    const { metrics, clock, logger, lines, dispatchLog } = this.#options;
    const labels = { event: definition.type };
    metrics.published.add(events.length, labels);
    metrics.publishSeconds.observe((clock.monotonicMs() - startedMs) / 1_000, labels);
    for (const { subscription, decision } of outcomes)
      metrics.decisions.add(1, { event: definition.type, subscription: subscription?.id ?? "", decision });

    const all = lines.wantsAll(definition);
    const wantsLine = logger.isEnabled("info") && lines.wantsFailures(definition);
    if (!wantsLine && !dispatchLog) return;
    const byEvent = groupByEvent(events, outcomes);
    for (const [event, own] of byEvent) {
      const failed = own.some(({ decision }) => decision === "condition_error" || decision === "transport_error");
      if (!all && !(failed && lines.wantsFailures(definition))) continue;
      if (wantsLine) logger.info("event published", { ...lines.fields(event, definition), ...spread(own) });
      dispatchLog?.dispatched(dispatchRecord(event, own, nowMs));
    }
  }

  #warnLarge(event: EventInstance<unknown>, bytes: number): void {
    const nowMs = this.#options.clock.nowMs();
    const last = this.#warnedAtMs.get(event.type);
    if (last !== undefined && nowMs - last < warningGapMs) return;
    this.#warnedAtMs.set(event.type, nowMs);
    this.#options.logger.warn("event is large", { event_type: event.type, event_id: event.id, bytes });
  }

  #warnDeprecated(definition: EventDefinition<unknown>): void {
    if (this.#deprecationTold.has(definition.type)) return;
    this.#deprecationTold.add(definition.type);
    this.#options.logger.warn("deprecated event published", {
      event_type: definition.type,
      deprecated: definition.deprecated,
    });
  }
}

function outcome(
  event: EventInstance<unknown>,
  subscription: Subscription | null,
  decision: Decision,
  conditionUs = 0,
  error: unknown = undefined,
): Outcome {
  return { event, subscription, conditionUs, decision, deliveryId: null, dueAtMs: 0, error };
}

function toDelivery(planned: PlannedDelivery, body: string): Delivery {
  const { id, subscription, key, dueAtMs, dedup } = planned;
  return {
    id,
    subscriber: subscription.subscriber.name,
    subscription: subscription.id,
    eventType: subscription.event.type,
    body,
    key,
    perKey: subscription.options.concurrency.perKey,
    dueAtMs,
    maxPending: subscription.options.maxPending,
    dedup,
  };
}

/** Writes the transport's answers into the outcomes. The error of the first full subscription, if any. */
function applyResults(slice: readonly Planned[], results: readonly EnqueueResult[]): unknown {
  let firstError: unknown;
  for (const [index, { delivery, outcomes }] of slice.entries()) {
    const result = results[index];
    for (const outcome of outcomes) {
      outcome.deliveryId = delivery.id;
      outcome.dueAtMs = delivery.dueAtMs;
      if (result === "full") {
        const error = new EventStoreError("EVT_TRANSPORT_FULL", {
          message: `The queue of subscription ${delivery.subscription.id} is full`,
          details: { subscription: delivery.subscription.id },
        });
        failDelivery(outcome, error);
        firstError ??= error;
      } else if (result === "duplicate" || result === "deduplicated") {
        outcome.decision = result;
        outcome.deliveryId = null;
      }
    }
  }
  return firstError;
}

function failDelivery(outcome: Outcome, error: unknown): void {
  outcome.decision = "transport_error";
  outcome.deliveryId = null;
  outcome.error = error;
}

/** Errors about the call itself, that come before anything was tried. */
function isCallersFault(error: unknown): boolean {
  return (
    error instanceof EventStoreError &&
    ["EVT_CLOSED", "EVT_TRANSACTION_CLOSED", "EVT_TRANSACTION_FOREIGN", "EVT_TOO_LARGE"].includes(error.code)
  );
}

function asTransportError(error: unknown, eventIds: readonly string[]): EventStoreError {
  if (error instanceof EventStoreError) return error;
  return new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", { cause: error, details: { eventIds } });
}

function tooLarge(event: EventInstance<unknown>, bytes: number, maxBytes: number): EventStoreError {
  return new EventStoreError("EVT_TOO_LARGE", {
    message: `Event ${event.type} takes ${bytes} bytes, allowed are ${maxBytes}`,
    details: { type: event.type, bytes, maxBytes },
  });
}

function groupByEvent(
  events: readonly EventInstance<unknown>[],
  outcomes: readonly Outcome[],
): Map<EventInstance<unknown>, Outcome[]> {
  const byEvent = new Map<EventInstance<unknown>, Outcome[]>(events.map((event) => [event, []]));
  for (const outcome of outcomes) byEvent.get(outcome.event)?.push(outcome);
  return byEvent;
}

function spread(outcomes: readonly Outcome[]): { dispatched: string[]; skipped: Record<string, Decision> } {
  const dispatched: string[] = [];
  const skipped: Record<string, Decision> = {};
  for (const { subscription, decision } of outcomes) {
    if (!subscription) continue;
    if (decision === "dispatched" || decision === "scheduled") dispatched.push(subscription.id);
    else skipped[subscription.id] = decision;
  }
  return { dispatched, skipped };
}

function dispatchRecord(
  event: EventInstance<unknown>,
  outcomes: readonly Outcome[],
  nowMs: number,
): Parameters<DispatchLog["dispatched"]>[0] {
  return {
    eventId: event.id,
    eventType: event.type,
    subject: event.subject,
    correlationId: event.correlationId,
    causationId: event.causationId,
    rootCaller: event.rootCaller,
    publishedAtMs: nowMs,
    subscriptions: outcomes.map(({ subscription }) => subscription?.id ?? ""),
    decisions: outcomes.map(({ decision }) => decision),
    conditionUs: outcomes.map(({ conditionUs }) => conditionUs),
    dueAtMs: outcomes.map(({ dueAtMs }) => dueAtMs),
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
