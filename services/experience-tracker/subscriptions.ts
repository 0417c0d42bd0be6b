import type { Configure, DomainEvent, Subscriber } from "@signalbox/event-store";
import type { CheckpointData, VerdictData } from "./event-data.js";
import { checkpointRecorded, verdictEvents } from "./events.js";
import type { Webhook } from "./webhooks.js";

/** Events in one delivery: a transaction brings some hundred at once. */
const groupSize = 128;

type JourneyData = CheckpointData | VerdictData;

export interface JourneySubscription {
  readonly subscriber: Subscriber<JourneyData>;
  /** Which events it is about. Default: all. */
  readonly wants?: (event: DomainEvent<JourneyData>) => boolean;
}

/**
 * Makes the events known, and lets each subscriber handle those that it wants: in any order, since rows and lines say
 * themselves when they were true. Whoever comes first must not wait for whoever has many.
 */
export function configureExperiences(
  subscriptions: readonly JourneySubscription[],
  webhooks: readonly Webhook[] = [],
): Configure {
  return (registry) => {
    const verdicts = Object.values(verdictEvents);
    for (const definition of [checkpointRecorded, ...verdicts]) registry.register(definition);
    for (const { subscriber, wants } of subscriptions) {
      const options = { key: null, groupSize, ...(wants && { if: wants }) };
      registry.subscribe(subscriber, { to: checkpointRecorded, ...options });
      registry.subscribe(subscriber, { to: verdicts, ...options });
    }
    for (const { subscriber, wants } of webhooks)
      registry.subscribe(subscriber, { to: verdicts, key: null, if: wants });
  };
}
