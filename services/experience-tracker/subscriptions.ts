import type { Configure, DomainEvent, Subscriber } from "@signalbox/event-store";
import type { CheckpointData, VerdictData } from "./event-data.js";
import { checkpointRecorded, verdictEvents } from "./events.js";

/** Events of a run are handled in their order; so many parts of all runs are handled side by side. */
const lanes = 8;
/** Events in one delivery: a transaction brings some hundred at once. */
const groupSize = 128;

type JourneyData = CheckpointData | VerdictData;

export interface JourneySubscription {
  readonly subscriber: Subscriber<JourneyData>;
  /** Which events it is about. Default: all. */
  readonly wants?: (event: DomainEvent<JourneyData>) => boolean;
}

/** Makes the events known, and lets each subscriber handle those that it wants. */
export function configureExperiences(subscriptions: readonly JourneySubscription[]): Configure {
  return (registry) => {
    const verdicts = Object.values(verdictEvents);
    for (const definition of [checkpointRecorded, ...verdicts]) registry.register(definition);
    for (const { subscriber, wants } of subscriptions) {
      const options = { key: laneOf, groupSize, ...(wants && { if: wants }) };
      registry.subscribe(subscriber, { to: checkpointRecorded, ...options });
      registry.subscribe(subscriber, { to: verdicts, ...options });
    }
  };
}

/** A run is always in the same lane: the end of a ULID is as good as a hash. */
function laneOf({ correlationId }: DomainEvent<unknown>): string {
  let sum = 0;
  for (let index = Math.max(0, correlationId.length - 8); index < correlationId.length; index++)
    sum = (sum * 31 + correlationId.charCodeAt(index)) % 65_521;
  return `lane-${sum % lanes}`;
}
