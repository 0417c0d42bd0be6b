import type { TransactionHandle } from "@signalbox/database";
import { type Clock, createPace, type Logger } from "@signalbox/kernel";
import type { JsonObject } from "./data-type.js";
import type { EventDefinition } from "./define-event.js";
import {
  type Accepted,
  type Decision,
  GroupSlices,
  judge,
  type PlannedDelivery,
  planSingle,
  planSlice,
  type Verdict,
} from "./dispatch.js";
import type { DispatchLog } from "./dispatch-log.js";
import type { Codec, EncodeOptions } from "./envelope.js";
import { fingerprintOf, recordError } from "./error-record.js";
import { EventStoreError, InvalidEvent } from "./errors.js";
import { EventInstance } from "./event.js";
import type { EventBlobs } from "./event-blobs.js";
import type { EventLines } from "./event-lines.js";
import type { Limits } from "./limits.js";
import type { StoreMetrics } from "./metrics.js";
import { type Outcome, PublishLog } from "./publish-log.js";
import type { NewDeadLetter, Records } from "./records/records.js";
import type { FrozenRegistry, Subscription } from "./registry.js";
import type { Tracing } from "./tracing.js";
import type { Delivery, EnqueueResult } from "./transports/transport.js";
import type { StoreWatchers } from "./watch.js";

export interface PublisherOptions {
  readonly registry: FrozenRegistry;
  /** Hands deliveries to the transport, or to the outbox when the transport cannot be part of the transaction. */
  readonly enqueue: (
    deliveries: readonly Delivery[],
    transaction: TransactionHandle | undefined,
  ) => Promise<readonly EnqueueResult[]>;
  readonly codec: Codec;
  readonly records: Records;
  readonly eventBlobs: EventBlobs | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StoreMetrics;
  readonly lines: EventLines;
  readonly dispatchLog: DispatchLog | undefined;
  readonly watchers: StoreWatchers;
  readonly limits: Limits;
  readonly isEnabled: (flag: string) => boolean;
  readonly errors: { readonly condition: "throw" | "report"; readonly transport: "throw" | "report" };
  /** Resolves when the transport, and the transaction if any, can be used; `undefined` when it can be now. */
  readonly ready: (transaction: TransactionHandle | undefined) => Promise<void> | undefined;
  /** Somebody counts how long conditions take. */
  readonly timeConditions: boolean;
  readonly tracing: Tracing | undefined;
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

/** A delivery to hand over, with the outcomes that depend on it. */
interface Planned {
  readonly delivery: PlannedDelivery;
  readonly outcomes: readonly Outcome[];
}

/** One event that a subscription accepted of a group. */
interface GroupMember extends Accepted {
  readonly outcome: Outcome;
}

/** What a subscription gets of a group: each slice is one delivery. */
interface GroupPlan {
  readonly subscription: Subscription;
  readonly slices: (readonly GroupMember[])[];
}

type Pace = ReturnType<typeof createPace>;

/** For which delivery, and in which transaction, a blob is held. */
interface Keep {
  readonly deliveryId: string;
  readonly transaction: TransactionHandle | undefined;
}

/** Encoded events above this size are worth a warning. */
const largeEventBytes = 65_536;
/** Of a group, what one call to the transport brings at most: deliveries, and characters unless one delivery has more. */
const portionSize = 1_000;
const portionLength = 393_216;
/** Conditions run before the event loop gets a turn, however fast they are. */
const judgedAtOnce = 2_000;

/** Decides for every subscription, hands the deliveries over and concludes. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #log: PublishLog;
  #waiting = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#log = new PublishLog(options);
  }

  /** Publishes that have been handed to the transport and not been answered. */
  get waiting(): number {
    return this.#waiting;
  }

  /** @throws {InvalidEvent} `EVT_TOO_LARGE` for an event that no transport would be given. */
  checkSizes(events: readonly EventInstance<unknown>[]): void {
    const { codec, limits } = this.#options;
    for (const event of events) {
      const bytes = Buffer.byteLength(codec.encode(event));
      EventInstance.forgetDataJson(event);
      if (bytes > limits.maxEventBytes) throw tooLarge(event, bytes, limits.maxEventBytes);
    }
  }

  /** Conditions run before this returns. */
  publish(
    definition: EventDefinition<unknown>,
    event: EventInstance<unknown>,
    transaction: TransactionHandle | undefined,
  ): Promise<PublishReceipt> {
    if (!this.#options.tracing) return this.#publish(definition, event, transaction);
    return this.#traced([event], this.#options.tracing, () => this.#publish(definition, event, transaction));
  }

  /** Gives each event a span of its own, whose place in the trace goes into its envelope. */
  async #traced<T>(events: readonly EventInstance<unknown>[], tracing: Tracing, work: () => Promise<T>): Promise<T> {
    const spans = events.map((event) => {
      const span = tracing.publishing(event);
      if (span.trace) EventInstance.setPublishTrace(event, span.trace);
      return span;
    });
    try {
      const result = await work();
      for (const span of spans) span.end();
      return result;
    } catch (error) {
      for (const span of spans) span.end(error);
      throw error;
    }
  }

  #publish(
    definition: EventDefinition<unknown>,
    event: EventInstance<unknown>,
    transaction: TransactionHandle | undefined,
  ): Promise<PublishReceipt> {
    const { clock, registry } = this.#options;
    const startedMs = clock.monotonicMs();
    const nowMs = clock.nowMs();
    const planned: Planned[] = [];
    const outcomes =
      this.#undecided(definition, event) ??
      registry.subscribersFor(definition.type).map((subscription) => {
        const { verdict, outcome } = this.#judge(subscription, event);
        if (verdict.kind === "accept")
          planned.push({ delivery: planSingle(subscription, outcome.delivered, verdict, nowMs), outcomes: [outcome] });
        return outcome;
      });
    const publication = { definition, events: [event], outcomes, startedMs, nowMs, transaction };
    const [only] = planned;
    if (!only) return Promise.resolve(this.#conclude(publication, undefined));
    return planned.length > 1
      ? this.#handOver(this.#encodeAll(planned, transaction), planned, publication)
      : this.#handOver(this.#encodeOnly(only.delivery, transaction), planned, publication);
  }

  /** A function of its own, so that what waits holds nothing but what it needs. */
  #handOver(
    encoded: readonly Delivery[] | Promise<readonly Delivery[]>,
    planned: readonly Planned[],
    publication: Publication,
  ): Promise<PublishReceipt> {
    const outcomesOf = planned.map(({ outcomes }) => outcomes);
    const { transaction } = publication;
    if (encoded instanceof Promise) {
      this.#waiting++;
      return encoded
        .then((deliveries) => this.#enqueue(deliveries, outcomesOf, transaction))
        .then(
          (error) => this.#handedOver(publication, error),
          (error: unknown) => this.#broken(publication, error),
        );
    }
    // The way of most publishes: what thousands of them hold while they wait is what they cost.
    const enqueued = this.#begin(encoded, transaction);
    this.#waiting++;
    return enqueued.then(
      (results) => this.#enqueued(publication, encoded, outcomesOf, results),
      (error: unknown) =>
        isCallersFault(error)
          ? this.#broken(publication, error)
          : this.#handedOver(publication, this.#transportFailed(outcomesOf, error)),
    );
  }

  #enqueued(
    publication: Publication,
    deliveries: readonly Delivery[],
    outcomesOf: readonly (readonly Outcome[])[],
    results: readonly EnqueueResult[],
  ): PublishReceipt | Promise<PublishReceipt> {
    let error: unknown;
    try {
      error = applyResults(deliveries, outcomesOf, results);
    } catch (failure) {
      return this.#broken(publication, failure);
    }
    const nothingRefused = results.every((result) => result === "enqueued");
    if (!this.#options.eventBlobs || nothingRefused) return this.#handedOver(publication, error);
    return this.#releaseRefused(deliveries, outcomesOf, results).then(
      () => this.#handedOver(publication, error),
      (failure: unknown) => this.#broken(publication, failure),
    );
  }

  #handedOver(publication: Publication, error: unknown): PublishReceipt | Promise<PublishReceipt> {
    this.#waiting--;
    try {
      return this.#conclude(publication, error);
    } finally {
      this.#letGo(publication.events, publication.outcomes, error !== undefined);
    }
  }

  #broken(publication: Publication, error: unknown): never {
    this.#waiting--;
    this.#letGo(publication.events, publication.outcomes, true);
    throw error;
  }

  /** All events are of this definition. */
  publishGroup(
    definition: EventDefinition<unknown>,
    events: readonly EventInstance<unknown>[],
    transaction: TransactionHandle | undefined,
  ): Promise<PublishReceipt> {
    if (!this.#options.tracing) return this.#publishGroup(definition, events, transaction);
    return this.#traced(events, this.#options.tracing, () => this.#publishGroup(definition, events, transaction));
  }

  async #publishGroup(
    definition: EventDefinition<unknown>,
    events: readonly EventInstance<unknown>[],
    transaction: TransactionHandle | undefined,
  ): Promise<PublishReceipt> {
    const { clock, registry } = this.#options;
    const startedMs = clock.monotonicMs();
    const nowMs = clock.nowMs();
    const pace = createPace({ rests: false });
    const outcomes: Outcome[] = [];
    const plans: GroupPlan[] = [];
    if (events[0] && this.#undecided(definition, events[0]))
      for (const event of events) {
        for (const outcome of this.#undecided(definition, event) ?? noOutcomes) outcomes.push(outcome);
        await pace();
      }
    else {
      for (const subscription of registry.subscribersFor(definition.type))
        plans.push(await this.#planGroup(events, subscription, outcomes, pace));
    }
    let transportError: unknown;
    this.#waiting++;
    try {
      transportError = await this.#handOverGroups(plans, nowMs, transaction, pace);
    } catch (error) {
      this.#letGo(events, outcomes, true);
      throw error;
    } finally {
      this.#waiting--;
    }
    this.#letGo(events, outcomes, transportError !== undefined);
    return this.#concludeGroup({ definition, events, outcomes, startedMs, nowMs, transaction }, transportError, pace);
  }

  /** What was kept of the events for the time of their publish. */
  #letGo(events: readonly EventInstance<unknown>[], outcomes: readonly Outcome[], failed: boolean): void {
    for (const event of events) {
      EventInstance.forgetDataJson(event);
      this.#options.eventBlobs?.concluded(event, failed);
    }
    for (const { event, delivered } of outcomes) {
      if (delivered !== event) this.#options.eventBlobs?.concluded(delivered, failed);
    }
  }

  // Deciding

  /** Outcomes for events that no subscription is asked about. */
  #undecided(definition: EventDefinition<unknown>, event: EventInstance<unknown>): Outcome[] | undefined {
    const subscriptions = this.#options.registry.subscribersFor(definition.type);
    if (subscriptions.length === 0) return [outcomeOf(event, null, "no_subscribers")];
    if (definition.flag === undefined || this.#options.isEnabled(definition.flag)) return undefined;
    return subscriptions.map((subscription) => outcomeOf(event, subscription, "flag_off"));
  }

  async #planGroup(
    events: readonly EventInstance<unknown>[],
    subscription: Subscription,
    outcomes: Outcome[],
    pace: Pace,
  ): Promise<GroupPlan> {
    const accepted = new GroupSlices<GroupMember>(subscription.options.groupSize);
    for (const [place, event] of events.entries()) {
      const { verdict, outcome } = this.#judge(subscription, event);
      outcomes.push(outcome);
      if (verdict.kind === "accept") {
        const { key, dedup } = verdict;
        accepted.add({ event: outcome.delivered, place, key, dedup, outcome });
      }
      const pause = outcomes.length % judgedAtOnce === 0 ? nextTurn() : pace();
      if (pause) await pause;
    }
    return { subscription, slices: accepted.slices };
  }

  #judge(
    subscription: Subscription,
    event: EventInstance<unknown>,
  ): { readonly verdict: Verdict; readonly outcome: Outcome } {
    let conditionUs = 0;
    let verdict: Verdict;
    if (this.#options.timeConditions && subscription.condition) {
      const { clock } = this.#options;
      const startedMs = clock.monotonicMs();
      verdict = judge(subscription, event);
      const elapsedMs = clock.monotonicMs() - startedMs;
      conditionUs = elapsedMs * 1_000;
      this.#log.conditionTimed(subscription.id, elapsedMs);
    } else verdict = judge(subscription, event);
    if (verdict.kind === "fail")
      return { verdict, outcome: outcomeOf(event, subscription, "condition_error", conditionUs, verdict.error) };
    // What is accepted is dispatched unless the transport says otherwise.
    const decision =
      verdict.kind === "refuse" ? "condition_false" : subscription.options.delayMs > 0 ? "scheduled" : "dispatched";
    return { verdict, outcome: outcomeOf(event, subscription, decision, conditionUs) };
  }

  // Handing over

  #encodeOnly(
    planned: PlannedDelivery,
    transaction: TransactionHandle | undefined,
  ): readonly Delivery[] | Promise<readonly Delivery[]> {
    const body = this.#encode(planned, transaction);
    if (typeof body !== "string") return body.then((late) => [toDelivery(planned, late)]);
    // Nobody else needs it a second time.
    for (const event of planned.events) if (!this.#log.quotes(event)) EventInstance.forgetDataJson(event);
    return [toDelivery(planned, body)];
  }

  async #encodeAll(
    planned: readonly Planned[],
    transaction: TransactionHandle | undefined,
  ): Promise<readonly Delivery[]> {
    const deliveries: Delivery[] = [];
    for (const { delivery } of planned)
      deliveries.push(toDelivery(delivery, await this.#encode(delivery, transaction)));
    return deliveries;
  }

  /**
   * Encodes and hands over in portions, so that of a large group only a small part is in memory as text. Nothing is
   * handed over when an event of the group is too large. Resolves with the first error of the transport, if any.
   */
  async #handOverGroups(
    plans: readonly GroupPlan[],
    nowMs: number,
    transaction: TransactionHandle | undefined,
    pace: Pace,
  ): Promise<unknown> {
    let transportError: unknown;
    let sizesAreKnown = false;
    let deliveries: Delivery[] = [];
    let outcomesOf: (readonly Outcome[])[] = [];
    let length = 0;
    const kept = plans.length > 1 ? new EncodedEvents() : undefined;
    const handOver = async (): Promise<void> => {
      const error = await this.#enqueue(deliveries, outcomesOf, transaction);
      transportError ??= error;
      deliveries = [];
      outcomesOf = [];
      length = 0;
    };
    for (const { subscription, slices } of plans) {
      const count = slices.length;
      for (const [index, slice] of slices.entries()) {
        if (deliveries.length >= portionSize || length >= portionLength) {
          if (!sizesAreKnown) await this.#checkGroupSizes(plans, pace);
          sizesAreKnown = true;
          await handOver();
          await nextTurn();
        }
        const planned = planSlice(subscription, slice, { index, count }, nowMs, this.#options.limits);
        const body = await this.#encodeGroup(planned, transaction, pace, kept);
        deliveries.push(toDelivery(planned, body));
        outcomesOf.push(slice.map(({ outcome }) => outcome));
        length += body.length;
        // What the portion needs of it is in the delivery and the outcomes.
        slices[index] = handedOver;
      }
    }
    if (deliveries.length > 0) await handOver();
    return transportError;
  }

  async #checkGroupSizes(plans: readonly GroupPlan[], pace: Pace): Promise<void> {
    for (const { slices } of plans)
      for (const slice of slices)
        for (const { event, place, key } of slice) {
          const json = this.#options.codec.encode(event, { key: key ?? event.key, sequence: sequenceOf(place) });
          EventInstance.forgetDataJson(event);
          this.#checkSize(event, Buffer.byteLength(json));
          const pause = pace();
          if (pause) await pause;
        }
  }

  /** `outcomesOf`: for each delivery, those that depend on it. */
  #enqueue(
    deliveries: readonly Delivery[],
    outcomesOf: readonly (readonly Outcome[])[],
    transaction: TransactionHandle | undefined,
  ): Promise<unknown> {
    return this.#begin(deliveries, transaction).then(
      (results) => {
        const error = applyResults(deliveries, outcomesOf, results);
        if (!this.#options.eventBlobs) return error;
        return this.#releaseRefused(deliveries, outcomesOf, results).then(() => error);
      },
      (error: unknown) => {
        if (isCallersFault(error)) throw error;
        return this.#transportFailed(outcomesOf, error);
      },
    );
  }

  #begin(
    deliveries: readonly Delivery[],
    transaction: TransactionHandle | undefined,
  ): Promise<readonly EnqueueResult[]> {
    const { enqueue, ready } = this.#options;
    const whenReady = ready(transaction);
    return whenReady ? whenReady.then(() => enqueue(deliveries, transaction)) : enqueue(deliveries, transaction);
  }

  /** The error, which the outcomes carry from now on. */
  #transportFailed(outcomesOf: readonly (readonly Outcome[])[], error: unknown): unknown {
    const code = error instanceof EventStoreError ? error.code : "EVT_TRANSPORT_UNAVAILABLE";
    this.#options.metrics.transportErrors.add(1, { operation: "enqueue", code });
    for (const outcomes of outcomesOf) for (const outcome of outcomes) failDelivery(outcome, error);
    return error;
  }

  async #releaseRefused(
    deliveries: readonly Delivery[],
    outcomesOf: readonly (readonly Outcome[])[],
    results: readonly EnqueueResult[],
  ): Promise<void> {
    for (const [index, { id }] of deliveries.entries()) {
      if (results[index] === "enqueued") continue;
      for (const { delivered } of outcomesOf[index] ?? []) await this.#options.eventBlobs?.refused(delivered, id);
    }
  }

  #encode(
    { id, events: [event], key }: PlannedDelivery,
    transaction: TransactionHandle | undefined,
  ): string | Promise<string> {
    if (!event) return "";
    return this.#encodeEvent(event, { key: key ?? event.key }, { deliveryId: id, transaction });
  }

  async #encodeGroup(
    { id, places, events, key }: PlannedDelivery,
    transaction: TransactionHandle | undefined,
    pace: Pace,
    kept: EncodedEvents | undefined,
  ): Promise<string> {
    const encoded: string[] = [];
    const keep = { deliveryId: id, transaction };
    for (const [index, event] of events.entries()) {
      const encoding = { key: key ?? event.key, sequence: sequenceOf(places?.[index] ?? index) };
      const known = kept?.get(event, encoding);
      if (known === undefined) {
        const json = this.#encodeEvent(event, encoding, keep);
        if (typeof json === "string") kept?.keep(event, encoding, json);
        encoded.push(typeof json === "string" ? json : await json);
        // Kept for the next subscription, the data of all events would be in memory twice.
        EventInstance.forgetDataJson(event);
      } else {
        this.#log.encoded(event, Buffer.byteLength(known));
        encoded.push(known);
      }
      const pause = pace();
      if (pause) await pause;
    }
    return `[${encoded.join(",")}]`;
  }

  #encodeEvent(event: EventInstance<unknown>, encoding: EncodeOptions, keep: Keep): string | Promise<string> {
    const { codec, eventBlobs } = this.#options;
    const json = codec.encode(event, encoding);
    // Counting also makes one text of the pieces, which are then free.
    const bytes = Buffer.byteLength(json);
    this.#log.encoded(event, bytes);
    if (bytes > largeEventBytes && bytes <= this.#options.limits.maxEventBytes) this.#log.warnLarge(event, bytes);
    if (this.#checkSize(event, bytes) === "inline" || !eventBlobs) return json;
    // The data goes to the blob store, the envelope says where it is.
    return Promise.resolve(this.#options.ready(keep.transaction))
      .then(() => eventBlobs.keep(event, keep.deliveryId, keep.transaction))
      .then((dataRef) => codec.encode(event, { ...encoding, dataRef }));
  }

  /** Where the data of an event of this size goes. @throws {InvalidEvent} `EVT_TOO_LARGE` when there is no such place. */
  #checkSize(event: EventInstance<unknown>, bytes: number): "inline" | "blob" {
    const { limits, registry, eventBlobs } = this.#options;
    if (bytes > limits.maxEventBytes) throw tooLarge(event, bytes, limits.maxEventBytes);
    const maxInlineBytes = registry.lookup(event.type)?.maxInlineBytes ?? limits.maxInlineBytes;
    if (bytes <= maxInlineBytes) return "inline";
    if (!eventBlobs) throw tooLarge(event, bytes, maxInlineBytes);
    return "blob";
  }

  // Concluding

  #conclude(publication: Publication, transportError: unknown): PublishReceipt | Promise<PublishReceipt> {
    if (publication.outcomes.some(({ decision }) => decision === "condition_error"))
      return this.#concludeFailed(publication, transportError);
    this.#log.published(publication);
    if (transportError !== undefined) this.#throwIfWanted(publication.events, noOutcomes, transportError);
    return receiptOf(publication);
  }

  async #concludeGroup(publication: Publication, transportError: unknown, pace: Pace): Promise<PublishReceipt> {
    const { events, outcomes, transaction } = publication;
    const failures = outcomes.filter(({ decision }) => decision === "condition_error");
    if (failures.length > 0) await this.#writeFailures(failures, transaction);
    await this.#log.publishedGroup(publication, pace);
    if (failures.length > 0 || transportError !== undefined) this.#throwIfWanted(events, failures, transportError);
    const decisions: ReceiptDecision[] = [];
    for (const outcome of outcomes) {
      decisions.push(receiptDecision(outcome));
      const pause = pace();
      if (pause) await pause;
    }
    return { eventIds: events.map((event) => event.id), decisions };
  }

  async #concludeFailed(publication: Publication, transportError: unknown): Promise<PublishReceipt> {
    const { events, outcomes, transaction } = publication;
    const failures = outcomes.filter(({ decision }) => decision === "condition_error");
    await this.#writeFailures(failures, transaction);
    this.#log.published(publication);
    this.#throwIfWanted(events, failures, transportError);
    return receiptOf(publication);
  }

  async #writeFailures(failures: readonly Outcome[], transaction: TransactionHandle | undefined): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const letters = failures.flatMap((failure) => this.#letterOf(failure, nowMs) ?? []);
    await this.#options.records.deadLetters.write(letters, transaction);
    for (const { subscription, reason } of letters) this.#options.metrics.deadLetters.add(1, { subscription, reason });
  }

  #letterOf({ event, delivered, subscription, error }: Outcome, nowMs: number): NewDeadLetter | undefined {
    if (!subscription) return undefined;
    const record = recordError(error);
    return {
      id: `${event.id}.${subscription.id}`,
      subscription: subscription.id,
      eventType: event.type,
      event: this.#options.codec.encode(delivered),
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
    const { errors } = this.#options;
    const eventIds = events.map((event) => event.id);
    if (transportError !== undefined) {
      if (errors.transport === "throw") throw asTransportError(transportError, eventIds);
      this.#log.transportFailed(eventIds, transportError);
    }
    if (failures.length === 0) return;
    if (errors.condition === "report") {
      this.#log.conditionsFailed(eventIds, failures);
      return;
    }
    const causes = failures.map(({ error }) => error);
    throw new EventStoreError("EVT_DISPATCH_FAILED", {
      errors: causes,
      cause: causes[0],
      details: { eventIds, subscriptions: failures.map(({ subscription }) => subscription?.id) },
    });
  }
}

/**
 * Events of a group as they were encoded for one subscription, for the others that get the same: as many as one portion
 * holds, so that of a large group only a small part is in memory as text.
 */
class EncodedEvents {
  readonly #texts = new Map<EventInstance<unknown>, { readonly encoding: GroupEncoding; readonly json: string }>();
  #length = 0;

  keep(event: EventInstance<unknown>, encoding: GroupEncoding, json: string): void {
    if (this.#length + json.length > portionLength) return;
    this.#length += json.length;
    this.#texts.set(event, { encoding, json });
  }

  get(event: EventInstance<unknown>, { key, sequence }: GroupEncoding): string | undefined {
    const found = this.#texts.get(event);
    return found && found.encoding.key === key && found.encoding.sequence === sequence ? found.json : undefined;
  }
}

interface GroupEncoding {
  readonly key: string | null;
  readonly sequence: string;
}

/** A publish whose decisions have been made and handed over. */
export interface Publication {
  readonly definition: EventDefinition<unknown>;
  readonly events: readonly EventInstance<unknown>[];
  readonly outcomes: readonly Outcome[];
  readonly startedMs: number;
  readonly nowMs: number;
  readonly transaction: TransactionHandle | undefined;
}

function receiptOf({ events, outcomes }: Publication): PublishReceipt {
  return {
    eventIds: events.map((event) => event.id),
    decisions: outcomes.map(receiptDecision),
  };
}

function receiptDecision({ event, subscription, decision, deliveryId }: Outcome): ReceiptDecision {
  return { eventId: event.id, subscription: subscription === null ? null : subscription.id, decision, deliveryId };
}

/** Texts of one length, so that they sort like the places they stand for. */
function sequenceOf(place: number): string {
  return String(place).padStart(10, "0");
}

const noOutcomes: readonly Outcome[] = Object.freeze([]);
const handedOver: readonly GroupMember[] = Object.freeze([]);

function outcomeOf(
  event: EventInstance<unknown>,
  subscription: Subscription | null,
  decision: Decision,
  conditionUs = 0,
  error: unknown = undefined,
): Outcome {
  const isWanted = decision !== "condition_false" && decision !== "flag_off";
  const delivered =
    subscription?.project && isWanted
      ? EventInstance.narrowed(event, subscription.project(event.data as JsonObject))
      : event;
  return { event, delivered, subscription, conditionUs, decision, deliveryId: null, dueAtMs: 0, error };
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
function applyResults(
  deliveries: readonly Delivery[],
  outcomesOf: readonly (readonly Outcome[])[],
  results: readonly EnqueueResult[],
): unknown {
  let firstError: unknown;
  for (let index = 0; index < deliveries.length; index++) {
    const delivery = deliveries[index];
    const result = results[index];
    for (const outcome of outcomesOf[index] ?? noOutcomes) {
      if (!delivery) continue;
      if (result === "full") firstError ??= failDelivery(outcome, queueFull(delivery.subscription));
      else if (result === "duplicate" || result === "deduplicated") outcome.decision = result;
      else {
        outcome.deliveryId = delivery.id;
        outcome.dueAtMs = delivery.dueAtMs;
      }
    }
  }
  return firstError;
}

function failDelivery(outcome: Outcome, error: unknown): unknown {
  outcome.decision = "transport_error";
  outcome.error = error;
  return error;
}

function queueFull(subscription: string): EventStoreError {
  return new EventStoreError("EVT_TRANSPORT_FULL", {
    message: `The queue of subscription ${subscription} is full`,
    details: { subscription },
  });
}

/** Errors about the call itself, that come before anything was tried. */
function isCallersFault(error: unknown): boolean {
  return (
    error instanceof EventStoreError &&
    ["EVT_CLOSED", "EVT_TRANSACTION_CLOSED", "EVT_TRANSACTION_FOREIGN", "EVT_TOO_LARGE"].includes(error.code)
  );
}

function asTransportError(error: unknown, eventIds: readonly string[]): EventStoreError {
  if (!(error instanceof EventStoreError))
    return new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", { cause: error, details: { eventIds } });
  // The transport knows deliveries, not the events of the publish.
  const { code, message, retryable } = error;
  return new EventStoreError(code, { message, retryable, cause: error, details: { ...error.details, eventIds } });
}

function tooLarge(event: EventInstance<unknown>, bytes: number, maxBytes: number): InvalidEvent {
  return new InvalidEvent("EVT_TOO_LARGE", {
    message: `Event ${event.type} takes ${bytes} bytes, allowed are ${maxBytes}`,
    details: { type: event.type, bytes, maxBytes },
  });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
