import type { PeerUrl } from "../../sync/ports.js";
import type {
  BatchResult,
  Certificate,
  ConnectionStatus,
  Disposition,
  SyncLayer,
  SyncMethod,
  SyncObserver,
} from "../../sync/snapshot.js";

export interface LoggedTransition {
  readonly peer: PeerUrl;
  readonly from: ConnectionStatus;
  readonly to: ConnectionStatus;
  readonly cause: string;
  readonly at: number;
}

export interface LoggedBatch {
  readonly peer: PeerUrl;
  readonly layer: SyncLayer;
  readonly method: SyncMethod;
  readonly result: BatchResult;
}

/** Everything that the engine told. */
export interface SyncLog {
  readonly observer: SyncObserver;
  readonly transitions: readonly LoggedTransition[];
  readonly batches: readonly LoggedBatch[];
  readonly certificates: readonly {
    readonly peer: PeerUrl;
    readonly layer: SyncLayer;
    readonly certificate: Certificate;
  }[];
  readonly attempts: readonly { readonly peer: PeerUrl; readonly result: "success" | "failure" }[];
  readonly notices: readonly string[];
  /** Peers that were forgotten. */
  readonly removed: readonly PeerUrl[];
  /** Events that peers brought and that were stored. */
  readonly synced: number;
  received(disposition: Disposition, peer?: string): number;
  /** The statuses that a peer went through, from the first one on. */
  walk(peer: string): readonly ConnectionStatus[];
}

export function createSyncLog(): SyncLog {
  const transitions: LoggedTransition[] = [];
  const batches: LoggedBatch[] = [];
  const certificates: { peer: PeerUrl; layer: SyncLayer; certificate: Certificate }[] = [];
  const attempts: { peer: PeerUrl; result: "success" | "failure" }[] = [];
  const notices: string[] = [];
  const removed: PeerUrl[] = [];
  const received: { peer: PeerUrl; disposition: Disposition }[] = [];
  let synced = 0;
  return {
    transitions,
    batches,
    certificates,
    attempts,
    notices,
    removed,
    get synced() {
      return synced;
    },
    received: (disposition, peer) =>
      received.filter((each) => each.disposition === disposition && (peer === undefined || each.peer === peer)).length,
    walk(peer) {
      const own = transitions.filter((each) => each.peer === peer);
      return own.flatMap(({ from, to }, index) => (index === 0 ? [from, to] : [to]));
    },
    observer: {
      registered() {},
      removed: (peer) => void removed.push(peer),
      transition: (peer, from, to, cause, at) => void transitions.push({ peer, from, to, cause, at }),
      attempt: (peer, result) => void attempts.push({ peer, result }),
      healthChanged() {},
      received: (peer, disposition) => void received.push({ peer, disposition }),
      synced() {
        synced++;
      },
      pendingBatches() {},
      batch: (peer, layer, method, result) => void batches.push({ peer, layer, method, result }),
      notice: (_peer, text) => void notices.push(text),
      certificate: (peer, layer, certificate) => void certificates.push({ peer, layer, certificate }),
    },
  };
}
