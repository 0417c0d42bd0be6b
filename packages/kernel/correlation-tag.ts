import { currentContext } from "./context.js";

/** As much of a Sentry SDK's event as is looked at. */
interface TaggedEvent {
  tags?: { [name: string]: unknown };
}

/**
 * Makes an event processor for a Sentry SDK: `Sentry.addEventProcessor(correlationTagger())`. Each event gets the tag
 * `correlation_id` of the context in which it was captured, and `causation_id` when a domain event was being handled,
 * unless it has these tags already. An event outside of any context stays as it is.
 */
export function correlationTagger(): <Event extends object>(event: Event & TaggedEvent) => Event {
  return (event) => {
    const { correlationId, causationId } = currentContext();
    if (correlationId === undefined) return event;
    const cause = causationId === undefined ? {} : { causation_id: causationId };
    event.tags = { correlation_id: correlationId, ...cause, ...event.tags };
    return event;
  };
}
