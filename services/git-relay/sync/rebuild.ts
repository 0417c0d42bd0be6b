import type { Clock } from "@signalbox/kernel";
import { type Filter, kinds, markVerified, readEvent, type VerifiedEvent } from "@signalbox/nostr";
import type { RelayEvents } from "../store/port.js";

/** First what names repositories, then what belongs to them. */
const passes: readonly (readonly number[])[] = [[kinds.announcement], [kinds.patch, kinds.pullRequest, kinds.issue]];

/** Everything stored that says what is wanted, page by page. */
export async function* readWantedEvents(
  events: RelayEvents,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<readonly VerifiedEvent[]> {
  const now = Math.floor(clock.nowMs() / 1_000);
  for (const pass of passes) {
    const filter: Filter = { kinds: new Set(pass), tags: new Map() };
    const stream = events.stream(filter, { now });
    for (let page = await stream.next(); page.length > 0; page = await stream.next()) {
      signal.throwIfAborted();
      const texts = await events.load(
        page.map(({ id }) => id),
        now,
      );
      yield [...texts.values()].flatMap(readStored);
    }
  }
}

function readStored(text: string): VerifiedEvent[] {
  const read = readEvent(JSON.parse(text));
  // What is stored was verified when it came.
  return read.kind === "event" ? [markVerified(read.event)] : [];
}
