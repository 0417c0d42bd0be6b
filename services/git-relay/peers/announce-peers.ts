import type { StreamTopic } from "@signalbox/http";
import { type Clock, createService, type Service, type Timer } from "@signalbox/kernel";
import { showPeer } from "../http/show-peer.js";
import type { PeerUrl } from "../sync/ports.js";
import type { PeerSnapshot, SyncObserver } from "../sync/snapshot.js";

export interface PeerAnnouncerOptions {
  readonly topic: StreamTopic;
  readonly clock: Clock;
  find(url: PeerUrl): PeerSnapshot | null;
}

/** Tells live pages what changed at peers: the newest state of each, at most ten messages a second. */
export interface PeerAnnouncer {
  readonly observer: Partial<SyncObserver>;
  readonly service: Service;
}

const messageEveryMs = 100;

export function createPeerAnnouncer({ topic, clock, find }: PeerAnnouncerOptions): PeerAnnouncer {
  /** In the order in which they changed first. */
  const changed = new Set<PeerUrl>();
  let timer: Timer | undefined;
  let isStopped = false;

  const tellNext = (): void => {
    timer = undefined;
    const [url] = changed;
    if (url === undefined) return;
    changed.delete(url);
    const peer = find(url);
    topic.publish({ type: "relay.peer_changed", url, peer: peer && showPeer(peer, clock.nowMs()) });
    schedule();
  };
  const schedule = (): void => {
    if (!isStopped && changed.size > 0) timer ??= clock.setTimer(messageEveryMs, tellNext);
  };
  const note = (url: PeerUrl): void => {
    if (!topic.isListenedTo) {
      changed.clear();
      return;
    }
    changed.add(url);
    schedule();
  };

  return {
    observer: {
      registered: note,
      removed: note,
      transition: note,
      healthChanged: note,
      pendingBatches: note,
      certificate: note,
    },
    service: createService({
      name: "changes of peers",
      start: async () => {},
      async stop() {
        isStopped = true;
        timer?.cancel();
      },
    }),
  };
}
