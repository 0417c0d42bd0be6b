import type { Configure, DomainEvent, Subscriber } from "@signalbox/event-store";
import type { CheckpointData, VerdictData } from "./event-data.js";
import { checkpointRecorded, verdictEvents } from "./events.js";

/** Events of a run are handled in their order; so many parts of all runs are handled side by side. */
const lanes = 8;
/** Events in one delivery: a transaction brings some hundred at once. */
const groupSize = 128;

/** Makes the events known, and lets each subscriber handle all of them. */
export function configureExperiences(subscribers: readonly Subscriber<CheckpointData | VerdictData>[]): Configure {
  return (registry) => {
    const verdicts = Object.values(verdictEvents);
    for (const definition of [checkpointRecorded, ...verdicts]) registry.register(definition);
    for (const subscriber of subscribers) {
      registry.subscribe(subscriber, { to: checkpointRecorded, key: laneOf, groupSize });
      registry.subscribe(subscriber, { to: verdicts, key: laneOf, groupSize });
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
