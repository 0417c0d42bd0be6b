import type { Logger } from "@signalbox/kernel";
import type { Peer } from "./peer.js";
import type { HealthTracker, NaughtyList, PeerStore, PeerUrl, RememberedPeer } from "./ports.js";

const saveEveryMs = 10_000;

/** What outlives the process of the peers: read at start, written behind. Without its store the engine goes on. */
export interface PeerMemory {
  load(): Promise<void>;
  /** Gives a peer what is remembered of it. */
  restore(peer: Peer): void;
  /** Whether the peer is known from an earlier run and was not called since. */
  isReturning(url: PeerUrl): boolean;
  welcome(url: PeerUrl): void;
  /** What is remembered of the peer changed. */
  note(peer: Peer): void;
  /** Writes changes, unless that was done just now or is being done. */
  saveIfDue(nowMs: number): void;
  save(): Promise<void>;
  forget(url: PeerUrl): void;
}

export interface PeerMemoryOptions {
  readonly store: PeerStore;
  readonly health: HealthTracker;
  readonly naughty: NaughtyList;
  readonly logger: Logger;
  readonly isPersistent: boolean;
}

export function createPeerMemory({ store, health, naughty, logger, isPersistent }: PeerMemoryOptions): PeerMemory {
  const remembered = new Map<PeerUrl, RememberedPeer>();
  const returning = new Set<PeerUrl>();
  const changed = new Map<PeerUrl, Peer>();
  let saving: Promise<void> | undefined;
  let savedAtMs = Number.NEGATIVE_INFINITY;

  const write = async (): Promise<void> => {
    const peers = [...changed.values()];
    changed.clear();
    if (peers.length === 0 || !isPersistent) return;
    try {
      await store.savePeers(peers.map((peer) => peer.remember()));
    } catch (error) {
      logger.warn("what is remembered of peers could not be stored", { error });
      for (const peer of peers) if (!changed.has(peer.url)) changed.set(peer.url, peer);
    }
  };

  return {
    async load() {
      if (!isPersistent) return;
      try {
        for (const peer of await store.loadPeers()) {
          remembered.set(peer.url, peer);
          returning.add(peer.url);
          health.restore(peer.url, peer.health);
          if (peer.naughty) naughty.restore(peer.url, peer.naughty, peer.health.lastFailureAt);
        }
      } catch (error) {
        logger.warn("what is remembered of peers could not be read", { error });
      }
    },
    restore(peer) {
      const known = remembered.get(peer.url);
      if (known) peer.restore(known);
    },
    isReturning: (url) => returning.has(url),
    welcome: (url) => void returning.delete(url),
    note: (peer) => void changed.set(peer.url, peer),
    saveIfDue(nowMs) {
      if (saving || nowMs - savedAtMs < saveEveryMs) return;
      savedAtMs = nowMs;
      saving = write().finally(() => {
        saving = undefined;
      });
    },
    async save() {
      await saving;
      await write();
    },
    forget(url) {
      remembered.delete(url);
      returning.delete(url);
      changed.delete(url);
      health.clear(url);
      naughty.clear(url);
    },
  };
}
