import type { Clock, Labels, Logger } from "@signalbox/kernel";
import type { EventDefinition } from "./define-event.js";
import type { Decision } from "./dispatch.js";
import type { DispatchLog, DispatchRecord } from "./dispatch-log.js";
import { EventInstance } from "./event.js";
import type { EventLines } from "./event-lines.js";
import type { StoreMetrics } from "./metrics.js";
import type { Outcome, Publication } from "./publish-outcome.js";
import type { StoreWatchers } from "./watch.js";

export interface PublishLogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StoreMetrics;
  readonly lines: EventLines;
  readonly dispatchLog: DispatchLog | undefined;
  readonly watchers: StoreWatchers;
}

const warningGapMs = 60_000;
/** A condition is asked for every event, so it may not cost more than this on average. */
const dearConditionMs = 1;
/** Below this many runs a mean says little: the first ones are slow because nothing is compiled yet. */
const fewestRuns = 100;

/** Says what was published and to whom: metrics, log lines, dispatch log. Nothing in here decides anything. */
export class PublishLog {
  readonly #options: PublishLogOptions;
  readonly #warnedAtMs = new Map<string, number>();
  readonly #deprecationTold = new Set<string>();
  readonly #conditions = new Map<string, { labels: Labels; runs: number; totalMs: number; warnedAtMs: number }>();
  /** Label sets are made once and frozen, which lets metrics find their series at once. */
  readonly #eventLabels = new Map<string, Labels>();
  readonly #decisionLabels = new Map<string, Map<string, Labels>>();

  constructor(options: PublishLogOptions) {
    this.#options = options;
  }

  encoded(event: EventInstance<unknown>, bytes: number): void {
    this.#options.metrics.eventBytes.observe(bytes, this.#labelsOf(event.type));
  }

  published(publication: Publication): void {
    const { definition, events, outcomes } = publication;
    this.#countPublished(publication);
    for (const { subscription, decision } of outcomes)
      this.#options.metrics.decisions.add(1, this.#decisionLabelsOf(definition.type, subscription?.id ?? "", decision));
    if (!this.#tellsOf(definition)) return;
    const [only] = events;
    if (only && events.length === 1) this.#tell(publication, only, outcomes);
    else for (const [event, own] of groupByEvent(events, outcomes)) this.#tell(publication, event, own);
  }

  /** Gives way between the events. */
  async publishedGroup(publication: Publication, pace: () => Promise<void> | undefined): Promise<void> {
    const { definition, events, outcomes } = publication;
    this.#countPublished(publication);
    const counts = new Map<Labels, number>();
    for (const { subscription, decision } of outcomes) {
      const labels = this.#decisionLabelsOf(definition.type, subscription?.id ?? "", decision);
      counts.set(labels, (counts.get(labels) ?? 0) + 1);
      const pause = pace();
      if (pause) await pause;
    }
    for (const [labels, count] of counts) this.#options.metrics.decisions.add(count, labels);
    if (!this.#tellsOf(definition)) return;
    for (const [event, own] of groupByEvent(events, outcomes)) {
      this.#tell(publication, event, own);
      const pause = pace();
      if (pause) await pause;
    }
  }

  #countPublished({ definition, events, outcomes, startedMs }: Publication): void {
    const { metrics, clock } = this.#options;
    for (const watcher of this.#options.watchers) watcher.decided(outcomes);
    if (definition.deprecated) this.#warnDeprecated(definition.type, definition.deprecated);
    const labels = this.#labelsOf(definition.type);
    metrics.published.add(events.length, labels);
    metrics.publishSeconds.observe((clock.monotonicMs() - startedMs) / 1_000, labels);
  }

  #wantsLines(definition: EventDefinition<unknown>): boolean {
    const { logger, lines } = this.#options;
    return logger.isEnabled("info") && lines.wantsFailures(definition);
  }

  /** Whether anything is said about single events. */
  #tellsOf(definition: EventDefinition<unknown>): boolean {
    return this.#options.dispatchLog !== undefined || this.#wantsLines(definition);
  }

  /** Whether a line about the event will show its data as it was encoded. */
  quotes(event: EventInstance<unknown>): boolean {
    const { lines } = this.#options;
    const definition = EventInstance.definition(event);
    return this.#wantsLines(definition) && lines.wantsAll(definition) && lines.quotes(event, definition);
  }

  #tell({ definition, nowMs }: Publication, event: EventInstance<unknown>, own: readonly Outcome[]): void {
    const { logger, lines, dispatchLog } = this.#options;
    const failed = own.some(({ decision }) => decision === "condition_error" || decision === "transport_error");
    if (!lines.wantsAll(definition) && !(failed && lines.wantsFailures(definition))) return;
    if (this.#wantsLines(definition))
      logger.info("event published", Object.assign(lines.fields(event, definition), spread(own)));
    dispatchLog?.dispatched(dispatchRecord(event, own, nowMs));
  }

  transportFailed(eventIds: readonly string[], error: unknown): void {
    this.#options.logger.error("events could not be handed to the transport", { error, event_ids: eventIds });
  }

  conditionsFailed(eventIds: readonly string[], failures: readonly Outcome[]): void {
    for (const { event, subscription, error } of failures)
      this.#options.logger.error("a subscription's condition failed", {
        error,
        event_id: event.id,
        event_ids: eventIds,
        subscription: subscription?.id,
      });
  }

  /** At most once a minute for each type. */
  warnLarge(event: EventInstance<unknown>, bytes: number): void {
    const nowMs = this.#options.clock.nowMs();
    const last = this.#warnedAtMs.get(event.type);
    if (last !== undefined && nowMs - last < warningGapMs) return;
    this.#warnedAtMs.set(event.type, nowMs);
    this.#options.logger.warn("event is large", { event_type: event.type, event_id: event.id, bytes });
  }

  conditionTimed(subscription: string, elapsedMs: number): void {
    let timed = this.#conditions.get(subscription);
    if (!timed) {
      const labels = Object.freeze({ subscription });
      timed = { labels, runs: 0, totalMs: 0, warnedAtMs: Number.NEGATIVE_INFINITY };
      this.#conditions.set(subscription, timed);
    }
    this.#options.metrics.conditionSeconds.observe(elapsedMs / 1_000, timed.labels);
    timed.runs++;
    timed.totalMs += elapsedMs;
    if (timed.runs < fewestRuns || timed.totalMs / timed.runs <= dearConditionMs) return;
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - timed.warnedAtMs < warningGapMs) return;
    timed.warnedAtMs = nowMs;
    this.#options.logger.warn("a condition is too expensive", {
      subscription,
      mean_duration_s: timed.totalMs / timed.runs / 1_000,
      runs: timed.runs,
    });
  }

  #warnDeprecated(type: string, deprecated: object): void {
    if (this.#deprecationTold.has(type)) return;
    this.#deprecationTold.add(type);
    this.#options.logger.warn("deprecated event published", { event_type: type, deprecated });
  }

  #labelsOf(type: string): Labels {
    let labels = this.#eventLabels.get(type);
    if (!labels) {
      labels = Object.freeze({ event: type });
      this.#eventLabels.set(type, labels);
    }
    return labels;
  }

  #decisionLabelsOf(event: string, subscription: string, decision: Decision): Labels {
    const name = subscription || event;
    let byDecision = this.#decisionLabels.get(name);
    if (!byDecision) {
      byDecision = new Map();
      this.#decisionLabels.set(name, byDecision);
    }
    let labels = byDecision.get(decision);
    if (!labels) {
      labels = Object.freeze({ event, subscription, decision });
      byDecision.set(decision, labels);
    }
    return labels;
  }
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

function dispatchRecord(event: EventInstance<unknown>, outcomes: readonly Outcome[], nowMs: number): DispatchRecord {
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
    deliveryIds: outcomes.map(({ deliveryId }) => deliveryId ?? ""),
  };
}
