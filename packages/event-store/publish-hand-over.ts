import { setImmediate as nextTurn } from "node:timers/promises";
import type { TransactionHandle } from "@signalbox/database";
import type { Pace } from "@signalbox/kernel";
import { planSlice } from "./dispatch.js";
import { EventStoreError } from "./errors.js";
import type { EventBlobs } from "./event-blobs.js";
import type { Limits } from "./limits.js";
import type { StoreMetrics } from "./metrics.js";
import type { GroupMember, GroupPlan } from "./publish-decider.js";
import { type DeliveryEncoder, EncodedEvents } from "./publish-encoder.js";
import { applyResults, failDelivery, type Outcome } from "./publish-outcome.js";
import type { Delivery, EnqueueResult } from "./transports/transport.js";

export interface HandOverOptions {
  /** Hands deliveries to the transport, or to the outbox when the transport cannot be part of the transaction. */
  readonly enqueue: (
    deliveries: readonly Delivery[],
    transaction: TransactionHandle | undefined,
  ) => Promise<readonly EnqueueResult[]>;
  /** Resolves when the transport, and the transaction if any, can be used; `undefined` when it can be now. */
  readonly ready: (transaction: TransactionHandle | undefined) => Promise<void> | undefined;
  readonly eventBlobs: EventBlobs | undefined;
  readonly metrics: StoreMetrics;
  readonly limits: Limits;
}

/** Of a group, what one call to the transport brings at most: deliveries, and characters unless one delivery has more. */
const portionSize = 1_000;
const portionLength = 393_216;

/**
 * Gives deliveries to the transport and writes its answers into the outcomes. What it resolves with is the first error of
 * the transport, if any; it rejects for what is the caller's fault, before anything was tried.
 */
export class HandOver {
  readonly #options: HandOverOptions;
  readonly #encoder: DeliveryEncoder;

  constructor(options: HandOverOptions, encoder: DeliveryEncoder) {
    this.#options = options;
    this.#encoder = encoder;
  }

  /** `outcomesOf`: for each delivery, those that depend on it. */
  enqueue(
    deliveries: readonly Delivery[],
    outcomesOf: readonly (readonly Outcome[])[],
    transaction: TransactionHandle | undefined,
  ): Promise<unknown> {
    const { enqueue, ready } = this.#options;
    const whenReady = ready(transaction);
    const enqueued = whenReady
      ? whenReady.then(() => enqueue(deliveries, transaction))
      : enqueue(deliveries, transaction);
    return enqueued.then(
      (results) => this.#answered(deliveries, outcomesOf, results),
      (error: unknown) => this.#failed(outcomesOf, error),
    );
  }

  /**
   * Encodes and hands over in portions, so that of a large group only a small part is in memory as text. Nothing is
   * handed over when an event of the group is too large.
   */
  async enqueueGroups(
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
    // As many as one portion holds: more would be most of the group.
    const kept = plans.length > 1 ? new EncodedEvents(portionLength) : undefined;
    const handOver = async (): Promise<void> => {
      const error = await this.enqueue(deliveries, outcomesOf, transaction);
      transportError ??= error;
      deliveries = [];
      outcomesOf = [];
      length = 0;
    };
    for (const { subscription, slices } of plans) {
      const count = slices.length;
      for (const [index, slice] of slices.entries()) {
        if (deliveries.length >= portionSize || length >= portionLength) {
          if (!sizesAreKnown) await this.#encoder.checkGroupSizes(plans, pace);
          sizesAreKnown = true;
          await handOver();
          await nextTurn();
        }
        const planned = planSlice(subscription, slice, { index, count }, nowMs, this.#options.limits);
        const delivery = await this.#encoder.encodeSlice(planned, transaction, pace, kept);
        deliveries.push(delivery);
        outcomesOf.push(slice.map(({ outcome }) => outcome));
        length += delivery.body.length;
        // What the portion needs of it is in the delivery and the outcomes.
        slices[index] = handedOver;
      }
    }
    if (deliveries.length > 0) await handOver();
    return transportError;
  }

  #answered(
    deliveries: readonly Delivery[],
    outcomesOf: readonly (readonly Outcome[])[],
    results: readonly EnqueueResult[],
  ): unknown {
    const error = applyResults(deliveries, outcomesOf, results);
    if (!this.#options.eventBlobs || results.every((result) => result === "enqueued")) return error;
    return this.#releaseRefused(deliveries, outcomesOf, results).then(() => error);
  }

  /** The error, which the outcomes carry from now on. */
  #failed(outcomesOf: readonly (readonly Outcome[])[], error: unknown): unknown {
    if (isCallersFault(error)) throw error;
    const code = error instanceof EventStoreError ? error.code : "EVT_TRANSPORT_UNAVAILABLE";
    this.#options.metrics.transportErrors.add(1, { operation: "enqueue", code });
    for (const outcomes of outcomesOf) for (const outcome of outcomes) failDelivery(outcome, error);
    return error;
  }

  /** Data in the blob store belongs to deliveries that are not there. */
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
}

const handedOver: readonly GroupMember[] = Object.freeze([]);

/** Errors about the call itself, that come before anything was tried. */
function isCallersFault(error: unknown): boolean {
  return (
    error instanceof EventStoreError &&
    ["EVT_CLOSED", "EVT_TRANSACTION_CLOSED", "EVT_TRANSACTION_FOREIGN", "EVT_TOO_LARGE"].includes(error.code)
  );
}
