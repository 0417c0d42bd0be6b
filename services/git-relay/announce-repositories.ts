import type { StreamTopic } from "@signalbox/http";
import { type Clock, createService, type Service, type Timer } from "@signalbox/kernel";
import { formatAddress, kinds, type NostrEvent, readReferences, tagValue } from "@signalbox/nostr";

export interface RepositoryAnnouncerOptions {
  readonly topic: StreamTopic;
  readonly clock: Clock;
}

/** Tells live pages about which repositories something new is stored, at most ten times a second. */
export interface RepositoryAnnouncer {
  note(event: NostrEvent): void;
  readonly service: Service;
}

const messageEveryMs = 100;
/** With more at once a page looks at everything anyway. */
const maxAddresses = 50;

export function createRepositoryAnnouncer({ topic, clock }: RepositoryAnnouncerOptions): RepositoryAnnouncer {
  const addresses = new Set<string>();
  let timer: Timer | undefined;
  let isStopped = false;

  const tell = (): void => {
    timer = undefined;
    topic.publish({ type: "relay.repositories_changed", addresses: [...addresses] });
    addresses.clear();
  };

  return {
    note(event) {
      if (isStopped || !topic.isListenedTo) return;
      for (const address of addressesOf(event)) if (addresses.size < maxAddresses) addresses.add(address);
      timer ??= clock.setTimer(messageEveryMs, tell);
    },
    service: createService({
      name: "changes of repositories",
      start: async () => {},
      async stop() {
        isStopped = true;
        timer?.cancel();
      },
    }),
  };
}

/** Repositories that an event is or speaks of; answers name only what they answer. */
function addressesOf(event: NostrEvent): readonly string[] {
  const identifier = tagValue(event, "d");
  if (identifier !== undefined && (event.kind === kinds.announcement || event.kind === kinds.state))
    return [formatAddress({ kind: kinds.announcement, pubkey: event.pubkey, identifier })];
  const repositories = `${kinds.announcement}:`;
  return readReferences(event).addresses.filter((address) => address.startsWith(repositories));
}
