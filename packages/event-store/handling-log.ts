import {
  type Clock,
  createFailureLog,
  type FailureLog,
  type Labels,
  type LogFields,
  type Logger,
} from "@signalbox/kernel";
import type { DispatchLog, HandlingRecord, SettlementKind } from "./dispatch-log.js";
import { correlationOf, type HandledItem } from "./end-delivery.js";
import { recordError } from "./error-record.js";
import type { EventLines } from "./event-lines.js";
import type { Item } from "./handled-items.js";
import type { StoreMetrics } from "./metrics.js";
import type { Subscription } from "./registry.js";
import type { FailureVerdict } from "./retry-policy.js";
import type { Lease } from "./transports/transport.js";
import type { StoreWatchers, WatchedAttempt } from "./watch.js";

export interface HandlingLogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StoreMetrics;
  readonly lines: EventLines;
  readonly dispatchLog: DispatchLog | undefined;
  readonly watchers: StoreWatchers;
}

/** When a start counts as late, milliseconds. */
const startTargetMs = { high: 10_000, low: 60_000, throttled: Number.POSITIVE_INFINITY };

/** One handler call, as it is told of. */
export interface Handling {
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly settlement: SettlementKind;
}

/** Label sets of one subscription. Each is made once and frozen, which lets metrics find their series at once. */
class SubscriptionLabels {
  readonly #subscription: string;
  readonly #byValue = new Map<string, Labels>();

  constructor(subscription: string) {
    this.#subscription = subscription;
  }

  /** The values of different labels are different words. */
  with(label: string, value: string): Labels {
    let labels = this.#byValue.get(value);
    if (!labels) {
      labels = Object.freeze({ subscription: this.#subscription, [label]: value });
      this.#byValue.set(value, labels);
    }
    return labels;
  }
}

/** Says what happened to deliveries: log lines, metrics, dispatch log. Nothing in here decides anything. */
export class HandlingLog {
  readonly #options: HandlingLogOptions;
  readonly #labels = new Map<string, SubscriptionLabels>();
  readonly #putOffLogs = new Map<string, FailureLog>();

  constructor(options: HandlingLogOptions) {
    this.#options = options;
  }

  started(lease: Lease, subscription: Subscription | null, startedAtMs: number): void {
    const { metrics } = this.#options;
    const urgency = subscription?.options.urgency ?? "low";
    const labels = this.#labelsOf(lease.subscription).with("urgency", urgency);
    const delayMs = Math.max(0, startedAtMs - lease.dueAtMs);
    metrics.queueDelaySeconds.observe(delayMs / 1_000, labels);
    if (delayMs > startTargetMs[urgency]) metrics.lateStarts.add(1, labels);
  }

  itemStarted(item: Item, startedAtMs: number): void {
    const { logger, lines } = this.#options;
    if (!logger.isEnabled("debug") || !("event" in item.read) || !lines.wantsAll(item.subscription?.event ?? null))
      return;
    const fields = this.#fields(item, startedAtMs);
    fields["job_status"] = "start";
    logger.debug("delivery started", fields);
  }

  handlerEnded(subscription: string, result: "ok" | "error" | "timeout", durationMs: number): void {
    const { metrics } = this.#options;
    metrics.handlerSeconds.observe(durationMs / 1_000, this.#labelsOf(subscription).with("result", result));
  }

  ended(lease: Lease, settlement: SettlementKind): void {
    const { metrics } = this.#options;
    metrics.deliveries.add(1, this.#labelsOf(lease.subscription).with("settlement", settlement));
  }

  #labelsOf(subscription: string): SubscriptionLabels {
    let labels = this.#labels.get(subscription);
    if (!labels) {
      labels = new SubscriptionLabels(this.#options.metrics.labelOf(subscription));
      this.#labels.set(subscription, labels);
    }
    return labels;
  }

  itemEnded({ item, result }: HandledItem, verdict: FailureVerdict | undefined, handling: Handling): void {
    if (result.kind === "waiting") return;
    for (const watcher of this.#options.watchers)
      watcher.attempted(attemptOf(item, result.kind === "failed" ? result.error : undefined, handling));
    const definition = item.subscription?.event ?? null;
    const failed = result.kind === "failed";
    const { logger, lines, dispatchLog } = this.#options;
    const wanted = failed ? lines.wantsFailures(definition) : lines.wantsAll(definition);
    if (!wanted) return;
    if (failed) this.#logFailure(item, result.error, verdict, handling);
    else if (logger.isEnabled("info") && "event" in item.read) {
      const fields = this.#fields(item, handling.startedAtMs);
      fields["job_status"] = "done";
      fields["duration_s"] = handling.durationMs / 1_000;
      logger.info("delivery done", fields);
    }
    dispatchLog?.handled(this.#record(item, result, handling));
  }

  #logFailure(item: Item, error: unknown, verdict: FailureVerdict | undefined, handling: Handling): void {
    const { logger } = this.#options;
    if (verdict?.kind === "retry" && !verdict.counted) {
      this.#putOffLog(item.lease.subscription).failed({ subscription: item.lease.subscription, error });
      return;
    }
    const record = recordError(error);
    const fields: LogFields = {
      ...this.#fields(item, handling.startedAtMs),
      job_status: "fail",
      duration_s: handling.durationMs / 1_000,
      settlement: handling.settlement,
      error_class: record.class,
      ...(record.code !== null && { error_code: record.code }),
      error_message: record.message,
      error,
    };
    if (verdict?.kind === "dead") logger.error("delivery failed", { ...fields, reason: verdict.reason });
    else logger.warn("delivery failed", fields);
  }

  /** While an engine is away everything that waits for it is tried and put off, again and again: no fault of any one. */
  #putOffLog(subscription: string): FailureLog {
    let log = this.#putOffLogs.get(subscription);
    if (!log) {
      const { logger, clock } = this.#options;
      log = createFailureLog({ logger, clock, message: "deliveries are put off, without being counted" });
      this.#putOffLogs.set(subscription, log);
    }
    return log;
  }

  /** An object of the caller's own. */
  #fields(item: Item, startedAtMs: number): Record<string, unknown> {
    const { lease, subscription, read } = item;
    const fields: Record<string, unknown> =
      "event" in read && subscription
        ? this.#options.lines.fields(read.event, subscription.event)
        : { event_id: item.eventId, event_type: eventTypeOf(lease), correlation_id: correlationOf(item) };
    fields["subscription"] = lease.subscription;
    fields["delivery_id"] = lease.deliveryId;
    fields["attempt"] = item.progress.failures + 1;
    fields["urgency"] = subscription?.options.urgency ?? "low";
    fields["scheduling_latency_s"] = Math.max(0, startedAtMs - lease.dueAtMs) / 1_000;
    return fields;
  }

  #record(item: Item, result: HandledItem["result"], handling: Handling): HandlingRecord {
    const record = result.kind === "failed" ? recordError(result.error) : undefined;
    return {
      eventId: item.eventId,
      eventType: eventTypeOf(item.lease),
      subscription: item.lease.subscription,
      deliveryId: item.lease.deliveryId,
      correlationId: "event" in item.read ? item.read.event.correlationId : correlationOf(item),
      attempt: item.progress.failures + 1,
      settlement: handling.settlement,
      startedAtMs: handling.startedAtMs,
      finishedAtMs: handling.startedAtMs + handling.durationMs,
      schedulingLatencyMs: Math.max(0, handling.startedAtMs - item.lease.dueAtMs),
      durationMs: handling.durationMs,
      errorClass: record?.class ?? null,
      errorCode: record?.code ?? null,
      errorMessage: record?.message ?? null,
      ignored: result.kind === "done" && result.ignored,
    };
  }
}

function attemptOf({ eventId, lease, progress, read }: Item, error: unknown, handling: Handling): WatchedAttempt {
  const { subscription, deliveryId } = lease;
  const event = "event" in read ? read.event : null;
  return {
    eventId,
    subscription,
    deliveryId,
    attempt: progress.failures + 1,
    settlement: handling.settlement,
    event,
    error,
  };
}

function eventTypeOf({ subscription }: Lease): string {
  return subscription.slice(subscription.indexOf("/") + 1);
}
