import { expirationOf, type NostrEvent } from "@signalbox/nostr";

/** When an event ends, in seconds since the Unix epoch; nothing when it lasts. */
export type EndOf = (event: NostrEvent) => number | undefined;

const purgeAfterSeconds = 7_200;

/** @param purgeTags names of tags whose events last for two hours only */
export function createEndOf(purgeTags: readonly string[]): EndOf {
  const names = new Set(purgeTags);
  return (event) => {
    const own = expirationOf(event);
    if (!event.tags.some(([name = ""]) => names.has(name))) return own;
    return Math.min(own ?? Number.POSITIVE_INFINITY, event.created_at + purgeAfterSeconds);
  };
}
