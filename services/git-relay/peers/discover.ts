import { readCloneUrl } from "@signalbox/nostr";
import type { PeerDiscovery, PeerUrl } from "../sync/ports.js";
import { createSelfCheck, type OwnAddresses, readPeerUrl } from "./peer-url.js";

const maxPeersOfAnnouncement = 20;

/**
 * Finds the relays that announcements lead to: their `relays`, then the servers among their `clone` addresses that
 * serve repositories by their owner's key, since those are relays, too. This relay itself is never among them.
 */
export function createPeerDiscovery(own: OwnAddresses): PeerDiscovery {
  const isOurselves = createSelfCheck(own);
  return {
    isOurselves,
    peersOf({ relays, clone }) {
      const listed = relays.flatMap((value) => readPeerUrl(value) ?? []);
      const hosts = new Set(listed.map(hostOf));
      // What is named as a relay already is not tried a second time with another scheme.
      const served = clone.flatMap((value) => relayOfClone(value) ?? []).filter((url) => !hosts.has(hostOf(url)));
      const found = new Set([...listed, ...served].filter((url) => !isOurselves(url)));
      return [...found].slice(0, maxPeersOfAnnouncement);
    },
  };
}

function relayOfClone(value: string): PeerUrl | undefined {
  const target = readCloneUrl(value);
  if (!target) return undefined;
  return readPeerUrl(`${target.secure ? "wss" : "ws"}://${new URL(value).host}${target.service.path}`);
}

function hostOf(url: PeerUrl): string {
  return new URL(url).host;
}

export interface PeerChoice {
  readonly tracked: ReadonlySet<PeerUrl>;
  /** Left out because there are too many, in the order in which they would come next. */
  readonly overLimit: readonly PeerUrl[];
}

export interface PeerLimits {
  /** `relay.sync.max_peers` */
  readonly maxPeers: number;
  /** Tracked in any case. */
  readonly bootstrap: ReadonlySet<PeerUrl>;
  /** Tracked so far; of peers that are wanted alike these stay. */
  readonly current: ReadonlySet<PeerUrl>;
}

/** Chooses whom to track: those that most repositories want. */
export function choosePeers(
  repositoriesOf: ReadonlyMap<PeerUrl, number>,
  { maxPeers, bootstrap, current }: PeerLimits,
): PeerChoice {
  const candidates = [...repositoriesOf].filter(([url]) => !bootstrap.has(url));
  const isTracked = (url: PeerUrl): number => (current.has(url) ? 1 : 0);
  candidates.sort(
    ([one, wantedBy], [other, otherWantedBy]) =>
      otherWantedBy - wantedBy || isTracked(other) - isTracked(one) || (one < other ? -1 : 1),
  );
  const ranked = candidates.map(([url]) => url);
  const room = Math.max(0, maxPeers - bootstrap.size);
  return { tracked: new Set([...bootstrap, ...ranked.slice(0, room)]), overLimit: ranked.slice(room) };
}
