import type { TransactionHandle } from "@signalbox/database";
import { createPace } from "@signalbox/kernel";
import type { EventDefinition } from "./define-event.js";
import { type PlannedDelivery, planSingle } from "./dispatch.js";
import { EventInstance } from "./event.js";
import { Conclusion, type ConclusionOptions } from "./publish-conclusion.js";
import { Decider, type DeciderOptions, type GroupPlan } from "./publish-decider.js";
import { DeliveryEncoder, type EncoderOptions } from "./publish-encoder.js";
import { HandOver, type HandOverOptions } from "./publish-hand-over.js";
import { PublishLog, type PublishLogOptions } from "./publish-log.js";
import { noOutcomes, type Outcome, type Publication, type PublishReceipt } from "./publish-outcome.js";
import type { Tracing } from "./tracing.js";
import type { Delivery } from "./transports/transport.js";

export interface PublisherOptions
  extends DeciderOptions,
    EncoderOptions,
    HandOverOptions,
    ConclusionOptions,
    PublishLogOptions {
  readonly tracing: Tracing | undefined;
}

/** A delivery to hand over, with the outcomes that depend on it. */
interface Planned {
  readonly delivery: PlannedDelivery;
  readonly outcomes: readonly Outcome[];
}

/** Decides for every subscription, encodes what they get, hands it over and concludes. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #decider: Decider;
  readonly #encoder: DeliveryEncoder;
  readonly #handOver: HandOver;
  readonly #conclusion: Conclusion;
  #waiting = 0;

  constructor(options: PublisherOptions) {
    const log = new PublishLog(options);
    this.#options = options;
    this.#decider = new Decider(options, log);
    this.#encoder = new DeliveryEncoder(options, log);
    this.#handOver = new HandOver(options, this.#encoder);
    this.#conclusion = new Conclusion(options, log);
  }

  /** Publishes that have been handed to the transport and not been answered. */
  get waiting(): number {
    return this.#waiting;
  }

  /** @throws {InvalidEvent} `EVT_TOO_LARGE` for an event that no transport would be given. */
  checkSizes(events: readonly EventInstance<unknown>[]): void {
    this.#encoder.checkSizes(events);
  }

  /** Conditions run before this returns. */
  publish(
    definition: EventDefinition<unknown>,
    event: EventInstance<unknown>,
    transaction: TransactionHandle | undefined,
  ): Promise<PublishReceipt> {
    if (!this.#options.tracing) return this.#publish(definition, event, transaction);
    return traced([event], this.#options.tracing, () => this.#publish(definition, event, transaction));
  }

  /** All events are of this definition. Conditions run before anything is handed over. */
  publishGroup(
    definition: EventDefinition<unknown>,
    events: readonly EventInstance<unknown>[],
    transaction: TransactionHandle | undefined,
  ): Promise<PublishReceipt> {
    if (!this.#options.tracing) return this.#publishGroup(definition, events, transaction);
    return traced(events, this.#options.tracing, () => this.#publishGroup(definition, events, transaction));
  }

  // One event: nothing on its way is asynchronous but what has to be.

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
      this.#decider.undecided(definition, event) ??
      registry.subscribersFor(definition.type).map((subscription) => {
        const { verdict, outcome } = this.#decider.judge(subscription, event);
        if (verdict.kind === "accept")
          planned.push({ delivery: planSingle(subscription, outcome.delivered, verdict, nowMs), outcomes: [outcome] });
        return outcome;
      });
    const publication = { definition, events: [event], outcomes, startedMs, nowMs, transaction };
    const [only] = planned;
    if (!only) return Promise.resolve(this.#conclusion.conclude(publication, undefined));
    const encoded =
      planned.length > 1
        ? this.#encoder.encodeAll(planned, transaction)
        : this.#encoder.encodeOnly(only.delivery, transaction);
    return this.#enqueue(
      encoded,
      planned.map((each) => each.outcomes),
      publication,
    );
  }

  /** A function of its own, so that what waits holds nothing but what it needs: thousands of them may. */
  #enqueue(
    encoded: readonly Delivery[] | Promise<readonly Delivery[]>,
    outcomesOf: readonly (readonly Outcome[])[],
    publication: Publication,
  ): Promise<PublishReceipt> {
    const { transaction } = publication;
    const enqueued =
      encoded instanceof Promise
        ? encoded.then((deliveries) => this.#handOver.enqueue(deliveries, outcomesOf, transaction))
        : this.#handOver.enqueue(encoded, outcomesOf, transaction);
    this.#waiting++;
    return enqueued.then(
      (transportError) => this.#handedOver(publication, transportError),
      (error: unknown) => this.#broken(publication, error),
    );
  }

  #handedOver(publication: Publication, transportError: unknown): PublishReceipt | Promise<PublishReceipt> {
    this.#waiting--;
    try {
      return this.#conclusion.conclude(publication, transportError);
    } finally {
      this.#letGo(publication.events, publication.outcomes, transportError !== undefined);
    }
  }

  #broken(publication: Publication, error: unknown): never {
    this.#waiting--;
    this.#letGo(publication.events, publication.outcomes, true);
    throw error;
  }

  // Many events: each step gives way, so that nothing else in the process waits for all of them.

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
    if (events[0] && this.#decider.undecided(definition, events[0]))
      for (const event of events) {
        for (const outcome of this.#decider.undecided(definition, event) ?? noOutcomes) outcomes.push(outcome);
        await pace();
      }
    else {
      for (const subscription of registry.subscribersFor(definition.type))
        plans.push(await this.#decider.planGroup(events, subscription, outcomes, pace));
    }
    let transportError: unknown;
    this.#waiting++;
    try {
      transportError = await this.#handOver.enqueueGroups(plans, nowMs, transaction, pace);
    } catch (error) {
      this.#letGo(events, outcomes, true);
      throw error;
    } finally {
      this.#waiting--;
    }
    this.#letGo(events, outcomes, transportError !== undefined);
    const publication = { definition, events, outcomes, startedMs, nowMs, transaction };
    return this.#conclusion.concludeGroup(publication, transportError, pace);
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
}

/** Gives each event a span of its own, whose place in the trace goes into its envelope. */
async function traced<T>(
  events: readonly EventInstance<unknown>[],
  tracing: Tracing,
  work: () => Promise<T>,
): Promise<T> {
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
