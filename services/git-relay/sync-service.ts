import { type Clock, createEgressGuard, type EgressGuard, type Logger, type Metrics } from "@signalbox/kernel";
import { readServiceAddress, type ServiceAddress, type Signer } from "@signalbox/nostr";
import type { EventIntake } from "./accept-event.js";
import type { RelaySettings } from "./config.js";
import { RelayError } from "./errors.js";
import { createSocketFactory } from "./peers/connect.js";
import { createPeerDiscovery } from "./peers/discover.js";
import { createHealthTracker } from "./peers/health.js";
import { createInformationSource } from "./peers/information.js";
import { createNaughtyList } from "./peers/naughty.js";
import { readPeerUrl } from "./peers/peer-url.js";
import type { RelayEvents } from "./store/port.js";
import { createSyncEngine } from "./sync/engine.js";
import { joinObservers } from "./sync/observers.js";
import type { SyncEngine } from "./sync/options.js";
import type { PeerDiscovery, PeerStore, PeerUrl, Random, RejectedIndex } from "./sync/ports.js";
import type { SyncObserver } from "./sync/snapshot.js";
import { createSyncMetrics } from "./sync-metrics.js";

export interface RelaySyncDependencies {
  readonly settings: RelaySettings;
  readonly events: RelayEvents;
  readonly intake: EventIntake;
  readonly peers: PeerStore;
  readonly rejected: RejectedIndex;
  readonly signer: Signer;
  /** What announcements have to list, and where we listen; asked for when the sync starts. */
  serviceAddress(): ServiceAddress;
  listening(): string;
  /** Further ones who are told what happens. */
  readonly observers: readonly SyncObserver[];
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The sync engine over real connections. @throws {RelayError} `RELAY_BAD_ENTRY` */
export function createRelaySync(dependencies: RelaySyncDependencies): SyncEngine {
  const { settings, clock, metrics, version } = dependencies;
  const { sync } = settings;
  const { limits } = settings;
  const random: Random = { next: () => Math.random() };
  const guard = createGuard(settings, clock);
  for (const alias of sync.selfAliases) checkAlias(alias);
  const naughty = createNaughtyList({ clock, listedMs: sync.naughtyHours * 3_600_000 });
  return createSyncEngine({
    config: {
      bootstrapRelays: sync.bootstrapRelays.map(readBootstrapRelay),
      baseBackoffMs: sync.baseBackoffS * 1_000,
      batchWindowMs: sync.batchWindowMs,
      negentropy: sync.negentropy,
      maxPeers: sync.maxPeers,
      consolidateAbove: sync.consolidateAbove,
      persistHealth: sync.persistHealth,
    },
    clock,
    random,
    sockets: createSocketFactory({ guard, clock, userAgent: `signalbox/${version}` }),
    information: createInformationSource({ guard }),
    discovery: createLateDiscovery(dependencies),
    health: createHealthTracker({
      clock,
      random,
      baseBackoffMs: sync.baseBackoffS * 1_000,
      maxBackoffMs: sync.maxBackoffS * 1_000,
    }),
    naughty,
    peers: dependencies.peers,
    rejected: dependencies.rejected,
    events: dependencies.events,
    intake: dependencies.intake,
    limits,
    observer: joinObservers([
      createSyncMetrics({
        metrics,
        clock,
        naughty,
        extendedStatus: sync.extendedStatus,
        maxPeers: settings.metrics.maxPeers,
      }),
      ...dependencies.observers,
    ]),
    signer: dependencies.signer,
    logger: dependencies.logger,
  });
}

const everywhere = ["0.0.0.0/0", "::/0"];

function createGuard({ sync }: RelaySettings, clock: Clock): EgressGuard {
  try {
    return createEgressGuard({ allowPrivate: sync.allowPrivateTargets ? everywhere : sync.allowedNetworks, clock });
  } catch (cause) {
    throw new RelayError("RELAY_BAD_ENTRY", { cause, message: "`relay.sync.allowed_networks` holds no network" });
  }
}

function readBootstrapRelay(text: string): PeerUrl {
  const url = readPeerUrl(text);
  if (url) return url;
  throw new RelayError("RELAY_BAD_ENTRY", { message: `"${text}" in \`relay.sync.bootstrap_relays\` names no relay` });
}

function checkAlias(alias: string): void {
  try {
    readServiceAddress(alias);
  } catch (cause) {
    throw new RelayError("RELAY_BAD_ENTRY", {
      cause,
      message: `"${alias}" in \`relay.sync.self_aliases\` names no host`,
    });
  }
}

/** Where we listen is known only once we do. */
function createLateDiscovery({ settings, serviceAddress, listening }: RelaySyncDependencies): PeerDiscovery {
  let found: PeerDiscovery | undefined;
  const discovery = (): PeerDiscovery => {
    found ??= createPeerDiscovery({
      domain: serviceAddress(),
      listening: listening(),
      aliases: settings.sync.selfAliases,
    });
    return found;
  };
  return {
    peersOf: (announcement) => discovery().peersOf(announcement),
    isOurselves: (url) => discovery().isOurselves(url),
  };
}
