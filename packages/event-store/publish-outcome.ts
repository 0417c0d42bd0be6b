import type { TransactionHandle } from "@signalbox/database";
import type { JsonObject } from "./data-type.js";
import type { EventDefinition } from "./define-event.js";
import type { Decision } from "./dispatch.js";
import { EventStoreError } from "./errors.js";
import { EventInstance } from "./event.js";
import type { Subscription } from "./registry.js";
import type { Delivery, EnqueueResult } from "./transports/transport.js";

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
export interface Outcome {
  readonly event: EventInstance<unknown>;
  /** What the subscription gets of it: the event itself, or one with fewer fields. */
  readonly delivered: EventInstance<unknown>;
  readonly subscription: Subscription | null;
  readonly conditionUs: number;
  decision: Decision;
  deliveryId: string | null;
  dueAtMs: number;
  error: unknown;
}

/** A publish whose decisions have been made. */
export interface Publication {
  readonly definition: EventDefinition<unknown>;
  readonly events: readonly EventInstance<unknown>[];
  readonly outcomes: readonly Outcome[];
  readonly startedMs: number;
  readonly nowMs: number;
  readonly transaction: TransactionHandle | undefined;
}

export const noOutcomes: readonly Outcome[] = Object.freeze([]);

export function outcomeOf(
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

/** Writes the transport's answers into the outcomes. The error of the first full subscription, if any. */
export function applyResults(
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

export function failDelivery(outcome: Outcome, error: unknown): unknown {
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

export function receiptOf({ events, outcomes }: Publication): PublishReceipt {
  return {
    eventIds: events.map((event) => event.id),
    decisions: outcomes.map(receiptDecision),
  };
}

export function receiptDecision({ event, subscription, decision, deliveryId }: Outcome): ReceiptDecision {
  return { eventId: event.id, subscription: subscription === null ? null : subscription.id, decision, deliveryId };
}
