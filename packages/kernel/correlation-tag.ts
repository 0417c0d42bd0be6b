import { currentContext } from "./context.js";

/** As much of a Sentry SDK's event as is looked at. */
interface TaggedEvent {
  tags?: { [name: string]: unknown };
}

/**
 * Makes an event processor for a Sentry SDK: `Sentry.addEventProcessor(correlationTagger())`. Each event gets the tag
 * `correlation_id` of the context in which it was captured, unless it has that tag already. An event outside of any
 * context stays as it is.
 */
export function correlationTagger(): <Event extends object>(event: Event & TaggedEvent) => Event {
  return (event) => {
    const { correlationId } = currentContext();
    if (correlationId !== undefined) event.tags = { correlation_id: correlationId, ...event.tags };
    return event;
  };
}
