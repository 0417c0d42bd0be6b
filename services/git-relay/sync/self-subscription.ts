import { type Clock, createService, type Service, type Timer } from "@signalbox/kernel";
import { kinds, type VerifiedEvent } from "@signalbox/nostr";
import type { EventIntake } from "../accept-event.js";

/** Kinds that change what is wanted. */
const relevantKinds: ReadonlySet<number> = new Set([
  kinds.announcement,
  kinds.patch,
  kinds.pullRequest,
  kinds.issue,
  kinds.graspList,
  kinds.deletion,
]);

export interface SelfSubscription extends Service {
  /** Notes an event that was stored by another process. */
  note(event: VerifiedEvent): void;
  /** How many relevant events were stored so far. */
  readonly position: number;
  /** Whether everything relevant has been handed on that was stored up to the position, or because of this peer. */
  isFlushed(peer: string, position: number): boolean;
}

export interface SelfSubscriptionOptions {
  readonly intake: Pick<EventIntake, "onSaved">;
  readonly clock: Clock;
  readonly windowMs: number;
  /** Takes the events of one window, at least one, in the order in which they were stored. */
  onFlush(events: readonly VerifiedEvent[]): void;
  /** An event that came from a peer was stored. */
  onSynced(): void;
}

/**
 * Follows what this relay stores and hands on, once in every window, what changes what is wanted. The windows do not
 * depend on when events come: a steady stream of them delays nothing.
 */
export function createSelfSubscription(options: SelfSubscriptionOptions): SelfSubscription {
  const { intake, clock, windowMs, onFlush, onSynced } = options;
  let gathered: VerifiedEvent[] = [];
  /** Peers of whose events some are gathered. */
  let peers = new Set<string>();
  let position = 0;
  let timer: Timer | undefined;
  let unsubscribe = (): void => {};

  const note = (event: VerifiedEvent, peer?: string): void => {
    if (!relevantKinds.has(event.kind)) return;
    gathered.push(event);
    position++;
    if (peer !== undefined) peers.add(peer);
  };
  const flush = (): void => {
    timer = clock.setTimer(windowMs, flush);
    if (gathered.length === 0) return;
    const events = gathered;
    gathered = [];
    peers = new Set();
    onFlush(events);
  };

  return {
    ...createService({
      name: "sync self-subscription",
      async start() {
        unsubscribe = intake.onSaved(({ event, origin }) => {
          if (origin.source === "sync") onSynced();
          note(event, origin.peer);
        });
        timer = clock.setTimer(windowMs, flush);
      },
      async stop() {
        unsubscribe();
        timer?.cancel();
      },
    }),
    note: (event) => note(event),
    get position() {
      return position;
    },
    isFlushed: (peer, reached) => reached <= position - gathered.length && !peers.has(peer),
  };
}
