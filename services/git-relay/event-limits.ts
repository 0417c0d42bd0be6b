import type { NostrEvent } from "@signalbox/nostr";

/** What one event may be, from whomever it comes. */
export interface EventLimits {
  readonly maxEventBytes: number;
  readonly maxEventTags: number;
  readonly maxContentLength: number;
}

/** What of the event is too much. @param bytes length of its text */
export function findExcess(event: NostrEvent, bytes: number, limits: EventLimits): string | undefined {
  if (bytes > limits.maxEventBytes) return `the event is longer than ${limits.maxEventBytes} bytes`;
  if (event.tags.length > limits.maxEventTags) return `the event has more than ${limits.maxEventTags} tags`;
  if (event.content.length > limits.maxContentLength)
    return `the content is longer than ${limits.maxContentLength} characters`;
  return undefined;
}
