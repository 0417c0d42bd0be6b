import type { Activity } from "../activity.js";
import type { StartedExperience } from "../experience.js";
import { isRecord } from "../is-record.js";

// One of these for all clients of the page: whoever reports an error asks no particular one.
const activities = new Set<Activity>();
const markedErrors = new WeakMap<object, string>();

/** From now on, the journeys of this activity count as those of the page. Returns what ends it. */
export function joinPage(activity: Activity): () => void {
  activities.add(activity);
  return () => activities.delete(activity);
}

/** Remembers whose error it is, for as long as somebody holds the error. */
export function rememberError(correlationId: string, error: unknown): void {
  if (isRecord(error)) markedErrors.set(error, correlationId);
}

/** As much of a Sentry SDK's event as is looked at. */
interface TaggedEvent {
  tags?: { [name: string]: unknown };
}

/**
 * Makes an event processor for a Sentry SDK: `Sentry.addEventProcessor(correlationTagger())`. An error that was marked on
 * a journey, as those that `start` with a function lets through, gets the tag `correlation_id` of that journey; any other
 * one that of the journey which was started last and is still under way. A tag that is there stays, and an event outside
 * of any journey stays as it is.
 */
export function correlationTagger(): <Event extends object>(
  event: Event & TaggedEvent,
  hint?: { readonly originalException?: unknown },
) => Event {
  return (event, hint) => {
    const correlationId = ownerOf(hint?.originalException) ?? newest()?.correlationId;
    if (correlationId) event.tags = { correlation_id: correlationId, ...event.tags };
    return event;
  };
}

function ownerOf(error: unknown): string | undefined {
  return isRecord(error) ? markedErrors.get(error) : undefined;
}

function newest(): StartedExperience | undefined {
  const active = [...activities].flatMap((activity) => [...activity.active.values()]);
  return active.sort((left, right) => left.runRecord.startedAtMs - right.runRecord.startedAtMs).at(-1);
}
