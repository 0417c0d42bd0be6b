import type { Clock, Logger, Service } from "@signalbox/kernel";
import type { Signer } from "@signalbox/nostr";
import type { EventIntake } from "../accept-event.js";
import type { EndOf } from "../event-end.js";
import type { EventLimits } from "../event-limits.js";
import type { RelayEvents } from "../store/port.js";
import type {
  HealthTracker,
  InformationSource,
  NaughtyList,
  PeerDiscovery,
  PeerStore,
  PeerUrl,
  Random,
  RejectedIndex,
  SocketFactory,
  SyncJourneys,
} from "./ports.js";
import type { PeerSnapshot, SyncObserver } from "./snapshot.js";

/** What an operator can choose; `defaultSyncConfig` holds the rest. */
export interface SyncConfig {
  /** Peers that are synced from whatever the announcements say. */
  readonly bootstrapRelays: readonly PeerUrl[];
  /** How long a connection may take to be made, and what the wait after a failure begins with. */
  readonly baseBackoffMs: number;
  /** How long stored events are gathered before the peers' needs are worked out anew. */
  readonly batchWindowMs: number;
  /** False: history is always read in pages. */
  readonly negentropy: boolean;
  /** Peers in all; the bootstrap relays are always among them. */
  readonly maxPeers: number;
  /** Live subscriptions of a peer above which they are gathered into fewer. */
  readonly consolidateAbove: number;
  readonly persistHealth: boolean;
}

export const defaultSyncConfig: SyncConfig = Object.freeze({
  bootstrapRelays: [],
  baseBackoffMs: 5_000,
  batchWindowMs: 5_000,
  negentropy: true,
  maxPeers: 500,
  consolidateAbove: 70,
  persistHealth: true,
});

/** Everything that the engine is put together from. */
export interface SyncEngineOptions {
  readonly config: SyncConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly sockets: SocketFactory;
  readonly information: InformationSource;
  readonly discovery: PeerDiscovery;
  readonly health: HealthTracker;
  readonly naughty: NaughtyList;
  readonly peers: PeerStore;
  readonly rejected: RejectedIndex;
  readonly events: RelayEvents;
  readonly intake: EventIntake;
  /** What one event may be. */
  readonly limits: EventLimits;
  /** Default: as events say themselves. */
  readonly endOf?: EndOf;
  readonly observer: SyncObserver;
  /** Default: they are not recorded. */
  readonly journeys?: SyncJourneys;
  /** The relay's own key, which answers peers that ask who we are. */
  readonly signer: Signer;
  readonly logger: Logger;
}

/** What a peer was told to do at once: connect, fetch what had failed, or nothing, since it waits for nothing. */
export type PeerRetry = "connect" | "fetch" | "nothing";

/**
 * Keeps the relay in sync with its peers while it runs. `start` resolves when what is wanted was read from the store;
 * connections follow. `stop` closes every connection without counting a failure. All reading methods answer at once, and
 * before `start` as if there were no peers.
 */
export interface SyncEngine extends Service {
  /** Whether the sync is this process's; of several on one database one has it. */
  isActive(): boolean;
  peers(): readonly PeerSnapshot[];
  peer(url: PeerUrl): PeerSnapshot | null;
  /** Peers that announcements name beyond what `maxPeers` allows. */
  overLimit(): readonly PeerUrl[];
  /** Forgets failures, marks and refused ids of a peer and syncs it anew; false when it is not known. */
  repair(url: PeerUrl): boolean;
  /** Does at once what a peer waits for, without forgetting anything; nothing when it is not known. */
  retry(url: PeerUrl): PeerRetry | null;
  /** Asks all peers again for what was proven synced before, because it would be accepted now. */
  syncAgain(what: { readonly identifiers: readonly string[]; readonly announcements: boolean }): void;
  /** Ends a peer and forgets everything about it; it comes back when an announcement still names it. False when unknown. */
  forget(url: PeerUrl): Promise<boolean>;
}
