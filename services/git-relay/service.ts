import type { Database } from "@signalbox/database";
import type { Configure, EventStore } from "@signalbox/event-store";
import { type ClientAddresses, createClientAddresses, type StreamTopic } from "@signalbox/http";
import {
  type Clock,
  createService,
  createServiceGroup,
  type Logger,
  type Metrics,
  type Service,
} from "@signalbox/kernel";
import {
  kinds,
  readPublicKey,
  readServiceAddress,
  type ServiceAddress,
  type Signer,
  type VerifiedEvent,
} from "@signalbox/nostr";
import type { FastifyPluginAsync } from "fastify";
import { createEventIntake, type EventIntake } from "./accept-event.js";
import { createRepositoryAnnouncer } from "./announce-repositories.js";
import type { RelaySettings } from "./config.js";
import { RelayError } from "./errors.js";
import { createEndOf } from "./event-end.js";
import { describeSaved, eventSaved } from "./events.js";
import { createExpiry } from "./expire.js";
import { createEventExplainer } from "./explain-event.js";
import { createHousekeeping } from "./housekeeping.js";
import { createRelayApi } from "./http/api.js";
import { describeRelay } from "./http/information.js";
import { createRelayListener } from "./listener.js";
import { createRelayMetrics } from "./metrics.js";
import { createPeerStore } from "./peers/peer-store.js";
import { readPeerViews } from "./peers/peer-views.js";
import { createTransitionLog } from "./peers/transition-log.js";
import { createFirstRules, createPolicy } from "./policy.js";
import { createObjections } from "./policy-module/objections.js";
import { createPolicyModule } from "./policy-module/run-module.js";
import { createRepositories } from "./repositories.js";
import { readAuthors, readRepositoryRules } from "./repository-rules.js";
import { type EventReview, reviewEvents } from "./review-events.js";
import type { RelayEvents } from "./store/port.js";
import { createSqlRelayEvents } from "./store/sql.js";
import type { SyncJourneys } from "./sync/ports.js";
import { createRelaySync, type RelaySync } from "./sync-service.js";
import { createVerifierPool } from "./verify/pool.js";
import type { Verifier } from "./verify/verifier.js";
import { createWaitingRoom } from "./waiting-room.js";
import { type ConnectionLimits, serveConnection } from "./ws/connection.js";
import { createInboxes } from "./ws/inboxes.js";
import { createLiveSubscriptions } from "./ws/live.js";
import { createOutboxes } from "./ws/outboxes.js";
import { createSubscriptionRoom } from "./ws/subscription-room.js";

export interface GitRelayDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly settings: RelaySettings;
  /** The relay's own key. */
  readonly signer: Signer;
  readonly version: string;
  /** Proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Default: worker threads. */
  readonly verifier?: Verifier;
  /** False: known events are verified like others; for comparison. Default true. */
  readonly checkKnownFirst?: boolean;
  /** Where live pages hear what changes at peers. */
  readonly peersTopic?: StreamTopic;
  /** Where live pages hear about which repositories something new is stored. */
  readonly repositoriesTopic?: StreamTopic;
  /** Where syncs with peers are recorded as journeys. Default: nowhere. */
  readonly journeys?: SyncJourneys | undefined;
}

/**
 * The relay, put together. In this order: migrate; make the event store with `configure`; `attach` it; start `service`,
 * then `intake`. Stop in the reverse order.
 */
export interface GitRelay {
  /** Registers its domain events. */
  readonly configure: Configure;
  attach(eventStore: EventStore): void;
  readonly events: RelayEvents;
  /** The way in for events of clients and peers. */
  readonly eventIntake: EventIntake;
  /** Decides about stored events by the policy of today, until `maxUnfit` were found that it would refuse. */
  review(maxUnfit: number, signal: AbortSignal): Promise<EventReview>;
  /** Sweeps and threads. */
  readonly service: Service;
  /** The listener and the sync with peers. */
  readonly intake: Service;
  /** Absent: it is switched off. */
  readonly sync: RelaySync | undefined;
  /** Where clients reach the relay. */
  readonly url: string;
  /** Where it listens. */
  readonly listenUrl: string;
  /** What announcements have to list. */
  readonly serviceAddress: ServiceAddress;
}

const maxOutboxBytesPerConnection = 32 * 1024 * 1024;

/** @throws {RelayError} `RELAY_BAD_DOMAIN`, `RELAY_BAD_ENTRY`, `RELAY_BAD_KEY` */
export function createGitRelay(dependencies: GitRelayDependencies): GitRelay {
  const { database, clock, settings, signer } = dependencies;
  const { limits, profile } = settings;
  const logger = dependencies.logger.child("git-relay");
  let attached: EventStore | undefined;
  const eventStore = (): EventStore => {
    if (!attached) throw new Error("The event store is not attached yet.");
    return attached;
  };

  const configured = settings.domain === undefined ? undefined : readDomain(settings.domain);
  const clientAddresses: ClientAddresses = createClientAddresses(dependencies.trustedProxies);
  const operator = settings.pubkey === undefined ? undefined : readOperator(settings.pubkey);
  const endOf = createEndOf(settings.housekeeping.purgeTags);
  const events = createSqlRelayEvents({ database, clock, logger, endOf, recipientsDelete: profile === "open" });
  const metrics = createRelayMetrics({
    metrics: dependencies.metrics,
    clock,
    version: dependencies.version,
    countRepositories: () => events.count(kinds.announcement),
  });
  const verifier =
    dependencies.verifier ??
    createVerifierPool({ engine: settings.verifyEngine, workers: settings.verifyWorkers, logger });
  const live = createLiveSubscriptions();
  const blockedAuthors = readAuthors(settings.policy.blockedAuthors);
  const policy = createPolicy({
    profile,
    service: () => relay.serviceAddress,
    blockedAuthors,
    repositories: readRepositoryRules(settings.policy.repositories),
    blockedRepositories: readRepositoryRules(settings.policy.blockedRepositories),
    authority: settings.authority.mode,
    endOf,
  });
  const { module: modulePath, moduleBudgetMs } = settings.policy;
  const policyModule =
    modulePath === undefined
      ? undefined
      : createPolicyModule({
          path: modulePath,
          budgetMs: moduleBudgetMs,
          clock,
          logger,
          metrics: dependencies.metrics,
        });
  const objections = policyModule && createObjections(policyModule, createFirstRules({ blockedAuthors, endOf }));
  const eventIntake = createEventIntake({
    events,
    verifier,
    policy,
    objections,
    waitingRoom: createWaitingRoom({ clock }),
    checkKnownFirst: dependencies.checkKnownFirst ?? true,
    async publishSaved(saved, transaction) {
      if (saved.length > 0) await eventStore().publishGroup(saved.map(describeSaved), { transaction });
    },
    maxFutureSeconds: limits.maxFutureS,
    clock,
    logger,
    metrics: dependencies.metrics,
  });
  const { repositoriesTopic } = dependencies;
  const announcer = repositoriesTopic && createRepositoryAnnouncer({ topic: repositoriesTopic, clock });
  const tellStored = (event: VerifiedEvent): void => {
    live.tell(event);
    announcer?.note(event);
  };
  eventIntake.onSaved(({ event }) => tellStored(event));
  let unfollow = async (): Promise<void> => {};

  const connectionLimits: ConnectionLimits = {
    ...limits,
    eventsPerMinute: limits.eventsPerMinute ?? (profile === "open" ? 0 : 600),
    maxNegentropyRecords: settings.negentropy.maxRecords,
    search: settings.search.enabled,
  };
  const inboxes = createInboxes(clock);
  const outboxes = createOutboxes({
    maxBytes: limits.maxOutboxBytes,
    maxBytesPerConnection: maxOutboxBytesPerConnection,
    clock,
    onOverflow: metrics.overflowed,
  });
  metrics.watchOutboxes(() => outboxes.waitingBytes);
  const room = createSubscriptionRoom({
    maxFilters: limits.maxLiveFilters,
    maxFiltersPerAddress: limits.maxLiveFiltersPerIp,
  });
  const listenAddress = (): ServiceAddress => readDomain(listener.address);
  const listener = createRelayListener({
    ...settings.listen,
    maxMessageBytes: limits.maxMessageBytes,
    maxConnections: limits.maxConnections,
    maxConnectionsPerAddress: limits.maxConnectionsPerIp,
    abuseThreshold: limits.abuseThreshold,
    clientAddresses,
    information: () =>
      JSON.stringify(
        describeRelay({
          settings,
          domain: settings.domain ?? listener.address,
          self: signer.publicKey,
          pubkey: operator,
          version: dependencies.version,
        }),
      ),
    landingPage: () => ({
      name: settings.name ?? `${settings.domain ?? listener.address} git relay`,
      description: settings.description,
      url: relay.url,
    }),
    serve: (client) =>
      serveConnection(client, {
        events,
        intake: eventIntake,
        verifier,
        live,
        inboxes,
        outboxes,
        room,
        limits: connectionLimits,
        restrictedKinds: settings.auth.restrictedReadKinds,
        challengeOnConnect: settings.auth.challengeOnConnect ?? profile === "open",
        services: () => [relay.serviceAddress, ...(isLoopback(settings.listen.host) ? [listenAddress()] : [])],
        clock,
        logger,
        metrics,
      }),
    clock,
    logger,
    metrics,
  });

  const sync = settings.sync.enabled
    ? createRelaySync({
        settings,
        events,
        intake: eventIntake,
        database,
        signer,
        endOf,
        serviceAddress: () => relay.serviceAddress,
        listening: () => listener.address,
        topic: dependencies.peersTopic,
        journeys: dependencies.journeys,
        version: dependencies.version,
        clock,
        logger,
        metrics: dependencies.metrics,
      })
    : undefined;

  const relay: GitRelay = {
    configure: (registry) => void registry.register(eventSaved),
    attach(store) {
      attached = store;
    },
    events,
    eventIntake,
    review: (maxUnfit, signal) => reviewEvents({ events, policy, objections, clock }, maxUnfit, signal),
    service: createServiceGroup("git relay", [
      ...(policyModule ? [policyModule] : []),
      createService({ name: "signature checks", start: async () => {}, stop: () => verifier.close() }),
      createService({ name: "event intake", start: async () => {}, stop: () => eventIntake.stop() }),
      createExpiry({ events, clock, logger }),
      ...(settings.housekeeping.purgeTags.length > 0 ? [createHousekeeping({ events, endOf, clock, logger })] : []),
      createService({
        name: "relay events of other processes",
        start: async () => {
          unfollow = events.follow(tellStored);
        },
        stop: () => unfollow(),
      }),
      ...(announcer ? [announcer.service] : []),
      ...(sync ? [sync.service] : []),
    ]),
    intake: createServiceGroup("git relay intake", [listener.service, ...(sync ? [sync.engine] : [])]),
    sync,
    get url() {
      return settings.domain === undefined ? relay.listenUrl : `wss://${settings.domain}`;
    },
    get listenUrl() {
      return `ws://${listener.address}`;
    },
    get serviceAddress() {
      return configured ?? listenAddress();
    },
  };
  return relay;
}

export interface GitRelayApiDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: Pick<RelaySettings, "authority" | "profile" | "domain" | "housekeeping" | "listen" | "sync">;
  /** The relay of this process. Absent: it runs in another one. */
  readonly relay?: GitRelay | undefined;
}

/** Routes of the API listener. What the database knows needs no relay in this process. */
export function createGitRelayApi(dependencies: GitRelayApiDependencies): FastifyPluginAsync {
  const { database, clock, settings, relay } = dependencies;
  const logger = dependencies.logger.child("git-relay");
  const events = createSqlRelayEvents({ database, clock });
  const startedAtMs = clock.nowMs();
  return createRelayApi({
    repositories: createRepositories({ events, clock, authority: settings.authority.mode }),
    explainer: createEventExplainer({
      database,
      events,
      intake: relay?.eventIntake,
      endOf: createEndOf(settings.housekeeping.purgeTags),
      clock,
    }),
    relay: relay && {
      eventIntake: relay.eventIntake,
      sync: relay.sync,
      startedAtMs,
      get url() {
        return relay.url;
      },
    },
    profile: settings.profile,
    url:
      settings.domain === undefined
        ? `ws://${settings.listen.host}:${settings.listen.port}`
        : `wss://${settings.domain}`,
    syncEnabled: settings.sync.enabled,
    certificates: createPeerStore(database),
    transitions: relay?.sync?.transitions ?? createTransitionLog({ database, clock, logger }),
    readViews: () => readPeerViews(database, clock.nowMs()),
    review: relay && ((maxUnfit, signal) => relay.review(maxUnfit, signal)),
    clock,
    logger,
  });
}

function readDomain(domain: string): ServiceAddress {
  try {
    return readServiceAddress(domain);
  } catch (cause) {
    throw new RelayError("RELAY_BAD_DOMAIN", { cause, message: `"${domain}" names no relay` });
  }
}

function readOperator(pubkey: string): string {
  try {
    return readPublicKey(pubkey);
  } catch (cause) {
    throw new RelayError("RELAY_BAD_ENTRY", { cause, message: "`relay.pubkey` is no public key" });
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
