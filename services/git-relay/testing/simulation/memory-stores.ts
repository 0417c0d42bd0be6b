import type { PeerStore, RejectedIndex, RememberedPeer } from "../../sync/ports.js";

export function createPeerStore(_database: unknown): PeerStore {
  const peers = new Map<string, RememberedPeer>();
  return {
    loadPeers: async () => [...peers.values()],
    async savePeers(saved) {
      for (const peer of saved) peers.set(peer.url, peer);
    },
    async forgetPeer(url) {
      peers.delete(url);
    },
    async saveCertificate() {},
  };
}

export function createRejectedIndex(_options: unknown): RejectedIndex {
  const ids = new Set<string>();
  return {
    remembered: async (asked) => new Set(asked.filter((id) => ids.has(id))),
    async add(event) {
      ids.add(event.id);
    },
  };
}
