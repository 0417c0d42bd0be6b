import type { Database } from "@signalbox/database";
import type { StreamTopic } from "@signalbox/http";
import {
  type Clock,
  createEgressGuard,
  createServiceGroup,
  type EgressGuard,
  type Logger,
  type Metrics,
  type Service,
} from "@signalbox/kernel";
import { readServiceAddress, type ServiceAddress, type Signer } from "@signalbox/nostr";
import type { EventIntake } from "./accept-event.js";
import type { RelaySettings } from "./config.js";
import { RelayError } from "./errors.js";
import type { EndOf } from "./event-end.js";
import { createPeerAnnouncer } from "./peers/announce-peers.js";
import { createSocketFactory } from "./peers/connect.js";
import { createPeerDiscovery } from "./peers/discover.js";
import { createHealthTracker } from "./peers/health.js";
import { createInformationSource } from "./peers/information.js";
import { createNaughtyList } from "./peers/naughty.js";
import { createPeerStore, type ReadablePeerStore } from "./peers/peer-store.js";
import { readPeerUrl } from "./peers/peer-url.js";
import { createPeerViewWriter } from "./peers/peer-views.js";
import { createRejectedIndex, type StoredRejectedIndex } from "./peers/rejected-index.js";
import { createTransitionLog, type TransitionLog } from "./peers/transition-log.js";
import { createReconsideration } from "./reconsider.js";
import type { RelayEvents } from "./store/port.js";
import { createSyncEngine } from "./sync/engine.js";
import { createLeadingEngine } from "./sync/leading-engine.js";
import { createLease } from "./sync/lease.js";
import { joinObservers } from "./sync/observers.js";
import type { SyncEngine, SyncEngineOptions } from "./sync/options.js";
import type { PeerDiscovery, PeerUrl, Random, SyncJourneys } from "./sync/ports.js";
import { createSyncMetrics } from "./sync-metrics.js";

export interface RelaySyncDependencies {
  readonly settings: RelaySettings;
  readonly database: Database;
  readonly events: RelayEvents;
  readonly intake: EventIntake;
  readonly signer: Signer;
  readonly endOf: EndOf;
  /** What announcements have to list, and where we listen; asked for when the sync starts. */
  serviceAddress(): ServiceAddress;
  listening(): string;
  /** Where live pages hear what changes at peers. */
  readonly topic: StreamTopic | undefined;
  readonly journeys?: SyncJourneys | undefined;
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The sync with peers, and what it remembers. */
export interface RelaySync {
  readonly engine: SyncEngine;
  /** What has to run before the engine does. */
  readonly service: Service;
  readonly peers: ReadablePeerStore;
  readonly transitions: TransitionLog;
  readonly rejected: StoredRejectedIndex;
}

/** The sync engine over real connections and the database. @throws {RelayError} `RELAY_BAD_ENTRY` */
export function createRelaySync(dependencies: RelaySyncDependencies): RelaySync {
  const { settings, database, events, intake, signer, clock, metrics, version } = dependencies;
  const { sync } = settings;
  const logger = dependencies.logger.child("sync");
  const random: Random = { next: () => Math.random() };
  for (const alias of sync.selfAliases) checkAlias(alias);
  const guard = createGuard(settings, clock);
  const naughty = createNaughtyList({ clock, listedMs: sync.naughtyHours * 3_600_000 });
  const peers = createPeerStore(database);
  const transitions = createTransitionLog({ database, clock, logger });
  const rejected = createRejectedIndex({
    database,
    clock,
    logger,
    metrics,
    hotMs: sync.rejectedHotS * 1_000,
    coldMs: sync.rejectedColdS * 1_000,
  });
  const announcer =
    dependencies.topic && createPeerAnnouncer({ topic: dependencies.topic, clock, find: (url) => engine.peer(url) });
  const observer = joinObservers([
    createSyncMetrics({
      metrics,
      clock,
      naughty,
      extendedStatus: sync.extendedStatus,
      maxPeers: settings.metrics.maxPeers,
    }),
    transitions,
    ...(announcer ? [announcer.observer] : []),
  ]);
  const engineOptions: SyncEngineOptions = {
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
    peers,
    rejected,
    events,
    intake,
    limits: settings.limits,
    endOf: dependencies.endOf,
    observer,
    ...(dependencies.journeys && { journeys: dependencies.journeys }),
    signer,
    logger,
  };
  const create = (): SyncEngine => createSyncEngine(engineOptions);
  // A SQLite file belongs to one process; a PostgreSQL may have several relays, of which one syncs.
  const engine: SyncEngine =
    database.engine === "sqlite"
      ? create()
      : createLeadingEngine({
          lease: createLease(database, "sync"),
          create,
          onRetired(urls) {
            for (const url of urls) observer.removed(url);
          },
          clock,
          logger,
        });
  const { syncAgain } = engine;
  return {
    engine,
    service: createServiceGroup("what sync remembers", [
      transitions.service,
      rejected.service,
      createReconsideration({ intake, rejected, syncAgain, clock, logger }),
      ...(announcer ? [announcer.service] : []),
      // Only a PostgreSQL has other processes on it.
      ...(database.engine === "postgres" ? [createPeerViewWriter({ database, engine, clock, logger })] : []),
    ]),
    peers,
    transitions,
    rejected,
  };
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
