import { encodeEvent, type Filter, type NostrEvent, tagValues } from "@signalbox/nostr";
import { createSubscriptionIndex } from "./subscription-index.js";

/** A subscription as the fan-out sees it. */
export interface LiveSubscription {
  readonly filters: readonly Filter[];
  /** Whether its client may see events of a kind that is not for everybody. */
  maySee(event: NostrEvent): boolean;
  sendLive(id: string, raw: string): void;
}

/** Tells subscriptions of all connections what was stored. */
export interface LiveSubscriptions {
  add(subscription: LiveSubscription): void;
  remove(subscription: LiveSubscription): void;
  tell(event: NostrEvent): void;
}

export function createLiveSubscriptions(): LiveSubscriptions {
  const index = createSubscriptionIndex<LiveSubscription>();
  return {
    add: index.add,
    remove: index.remove,
    tell(event) {
      const interested = index.matching(event);
      if (interested.length === 0) return;
      const raw = encodeEvent(event);
      for (const subscription of interested) if (subscription.maySee(event)) subscription.sendLive(event.id, raw);
    },
  };
}

/** Whether a viewer with these keys may read the event. */
export function mayRead(event: NostrEvent, restrictedKinds: readonly number[], keys: ReadonlySet<string>): boolean {
  if (!restrictedKinds.includes(event.kind)) return true;
  return keys.has(event.pubkey) || tagValues(event, "p").some((key) => keys.has(key));
}
