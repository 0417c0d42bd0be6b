import type { TransactionHandle } from "@signalbox/database";
import type { Clock, Pace } from "@signalbox/kernel";
import type { Codec } from "./envelope.js";
import { fingerprintOf, recordError } from "./error-record.js";
import { EventStoreError } from "./errors.js";
import type { EventInstance } from "./event.js";
import type { StoreMetrics } from "./metrics.js";
import type { PublishLog } from "./publish-log.js";
import {
  noOutcomes,
  type Outcome,
  type Publication,
  type PublishReceipt,
  type ReceiptDecision,
  receiptDecision,
  receiptOf,
} from "./publish-outcome.js";
import type { NewDeadLetter, Records } from "./records/records.js";

export interface ConclusionOptions {
  readonly codec: Codec;
  readonly records: Records;
  readonly clock: Clock;
  readonly metrics: StoreMetrics;
  readonly errors: { readonly condition: "throw" | "report"; readonly transport: "throw" | "report" };
}

/** Keeps what failed as dead letters, tells what happened, and answers with a receipt or an error. */
export class Conclusion {
  readonly #options: ConclusionOptions;
  readonly #log: PublishLog;

  constructor(options: ConclusionOptions, log: PublishLog) {
    this.#options = options;
    this.#log = log;
  }

  conclude(publication: Publication, transportError: unknown): PublishReceipt | Promise<PublishReceipt> {
    if (publication.outcomes.some(({ decision }) => decision === "condition_error"))
      return this.#concludeFailed(publication, transportError);
    this.#log.published(publication);
    if (transportError !== undefined) this.#throwIfWanted(publication.events, noOutcomes, transportError);
    return receiptOf(publication);
  }

  /** Gives way between the events. */
  async concludeGroup(publication: Publication, transportError: unknown, pace: Pace): Promise<PublishReceipt> {
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

function asTransportError(error: unknown, eventIds: readonly string[]): EventStoreError {
  if (!(error instanceof EventStoreError))
    return new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", { cause: error, details: { eventIds } });
  // The transport knows deliveries, not the events of the publish.
  const { code, message, retryable } = error;
  return new EventStoreError(code, { message, retryable, cause: error, details: { ...error.details, eventIds } });
}
