import { createService, type Timer } from "@signalbox/kernel";
import { expirationOf, type VerifiedEvent } from "@signalbox/nostr";
import { choosePeers } from "../peers/discover.js";
import { SharedBacklog } from "./backlog.js";
import { calmLogger } from "./calm-logger.js";
import { createPeerIntake } from "./intake.js";
import { noItems } from "./items.js";
import { guardObserver } from "./observers.js";
import type { SyncEngine, SyncEngineOptions } from "./options.js";
import { Peer } from "./peer.js";
import type { PeerContext } from "./peer-context.js";
import { createPeerMemory } from "./peer-memory.js";
import { noJourneys, type PeerUrl } from "./ports.js";
import { Presence } from "./presence.js";
import { readWantedEvents } from "./rebuild.js";
import { createSelfSubscription } from "./self-subscription.js";
import { takeNote } from "./take-note.js";
import { WantedIndex } from "./wanted.js";

const tickMs = 2_000;
const dailyAtOnce = 4;
/** Connections to peers of an earlier run that are begun in one second. */
const returningPerSecond = 10;

/**
 * Puts the engine together. What is stored says what is wanted, what is wanted says which peers there are, and each peer
 * keeps itself in sync; this only tells them what changed and what time it is.
 */
export function createSyncEngine(options: SyncEngineOptions): SyncEngine {
  const { config, clock, discovery, events, intake, health, naughty, endOf = expirationOf } = options;
  const logger = calmLogger(options.logger, clock);
  const observer = guardObserver(options.observer, logger);
  const wanted = new WantedIndex();
  const peers = new Map<PeerUrl, Peer>();
  let bootstrap: ReadonlySet<PeerUrl> = new Set();
  /** Names under which we were found to reach ourselves. */
  const ourselves = new Set<PeerUrl>();
  let tracked: ReadonlySet<PeerUrl> = new Set();
  let overLimit: readonly PeerUrl[] = [];
  let ticking: Timer | undefined;
  let welcoming: Timer | undefined;
  let nextWelcomeMs = Number.NEGATIVE_INFINITY;
  let isRunning = false;
  const memory = createPeerMemory({
    store: options.peers,
    health,
    naughty,
    logger,
    isPersistent: config.persistHealth,
  });

  const selfSubscription = createSelfSubscription({
    intake,
    clock,
    windowMs: config.batchWindowMs,
    onSynced: () => observer.synced(),
    onFlush(stored) {
      for (const event of stored) takeNote(wanted, event, discovery, endOf);
      tellPeers();
      connectPeers();
    },
  });

  const context: PeerContext = {
    ...options,
    observer,
    journeys: options.journeys ?? noJourneys,
    logger,
    backlog: new SharedBacklog(),
    presence: new Presence(clock),
    peerIntake: createPeerIntake({ ...options, logger, isStopping: () => !isRunning }),
    stored: selfSubscription,
    onChanged: (peer) => memory.note(peer),
    onOurselves(peer) {
      logger.warn("a peer is this relay under another name", { relay: peer.url });
      ourselves.add(peer.url);
      remove(peer, "it is this relay");
    },
    saveCertificate: (url, layer, certificate) =>
      void options.peers
        .saveCertificate(url, layer, certificate)
        .catch((error: unknown) => logger.warn("a certificate could not be stored", { error, relay: url })),
  };

  /** Registers who is named, and says to each peer what is wanted of it, where that is not as before. */
  const tellPeers = (): void => {
    const named = new Map([...wanted.peers()].filter(([url]) => !ourselves.has(url)));
    const choice = choosePeers(named, { maxPeers: config.maxPeers, bootstrap, current: new Set(peers.keys()) });
    const changed = wanted.takeChanged();
    const known = new Set(peers.keys());
    for (const url of choice.tracked) if (!ourselves.has(url)) register(url);
    for (const peer of peers.values()) {
      const isTracked = choice.tracked.has(peer.url);
      if (changed.has(peer.url) || !known.has(peer.url) || isTracked !== tracked.has(peer.url))
        peer.want(isTracked ? wanted.of(peer.url) : noItems);
      peer.onFlushed();
    }
    overLimit = choice.overLimit;
    tracked = choice.tracked;
  };

  const register = (url: PeerUrl): void => {
    if (peers.has(url)) return;
    const peer = new Peer(url, bootstrap.has(url), context);
    memory.restore(peer);
    peers.set(url, peer);
    observer.registered(url);
  };

  const remove = (peer: Peer, cause: string): void => {
    if (!peers.delete(peer.url)) return;
    peer.remove(cause);
    observer.removed(peer.url);
  };

  /** A mistake of ours that shows at one peer leaves the others alone. */
  const noteFailure = (peer: Peer, error: unknown): void =>
    logger.error("a peer failed unexpectedly", { error, relay: peer.url });

  // The loop, every two seconds. No step waits for anything.

  const prune = (): void => {
    for (const peer of [...peers.values()]) if (peer.isPrunable()) remove(peer, "nothing of it is wanted");
  };

  /** Calls everybody whose time has come; those of an earlier run not all at once, and healthy ones first. */
  const connectPeers = (): void => {
    if (!isRunning) return;
    welcomeReturning();
    for (const peer of peers.values()) {
      if (!peer.mayConnect() || memory.isReturning(peer.url)) continue;
      peer.connect().catch((error: unknown) => noteFailure(peer, error));
    }
  };

  const welcomeReturning = (): void => {
    const now = clock.monotonicMs();
    if (now < nextWelcomeMs) return;
    nextWelcomeMs = now + 1_000;
    const returning = [...peers.values()].filter((peer) => peer.mayConnect() && memory.isReturning(peer.url));
    const isDead = ({ url }: Peer): number => (health.state(url, false) === "dead" ? 1 : 0);
    returning.sort(
      (one, other) => isDead(one) - isDead(other) || health.failures(one.url) - health.failures(other.url),
    );
    for (const { url } of returning.slice(0, returningPerSecond)) memory.welcome(url);
    if (returning.length > returningPerSecond) welcoming = clock.setTimer(1_000, connectPeers);
  };

  const startDailySyncs = (): void => {
    let running = [...peers.values()].filter((peer) => peer.isDaily).length;
    for (const peer of peers.values()) {
      if (running >= dailyAtOnce) break;
      if (!peer.isDailyDue()) continue;
      peer.startDaily();
      running++;
    }
  };

  /** The store drops them by itself and tells nobody. */
  const forgetEnded = (): void => {
    if (wanted.expire(Math.floor(clock.nowMs() / 1_000))) tellPeers();
  };

  const forEachPeer = (step: (peer: Peer) => void): void => {
    for (const peer of [...peers.values()]) {
      try {
        step(peer);
      } catch (error) {
        noteFailure(peer, error);
      }
    }
  };

  const tick = (): void => {
    ticking = clock.setTimer(tickMs, tick);
    context.presence.look();
    prune();
    connectPeers();
    forEachPeer((peer) => peer.recover());
    naughty.expire();
    forEachPeer((peer) => peer.tellHealth());
    startDailySyncs();
    forgetEnded();
    memory.saveIfDue(clock.monotonicMs());
  };

  const rebuild = async (signal: AbortSignal): Promise<void> => {
    for await (const stored of readWantedEvents(events, clock, signal))
      for (const event of stored) takeNote(wanted, event, discovery, endOf);
    tellPeers();
  };

  let unfollow = async (): Promise<void> => {};
  const service = createService({
    name: "sync",
    async start(signal) {
      bootstrap = new Set(config.bootstrapRelays.filter((url) => !discovery.isOurselves(url)));
      await memory.load();
      // What is stored from now on is gathered while what was stored is read.
      await selfSubscription.start();
      unfollow = events.follow((event: VerifiedEvent) => selfSubscription.note(event));
      await rebuild(signal);
      isRunning = true;
      tick();
    },
    async stop() {
      isRunning = false;
      ticking?.cancel();
      welcoming?.cancel();
      await selfSubscription.stop();
      for (const peer of peers.values()) peer.shutDown();
      await unfollow();
      await memory.save();
    },
  });

  return {
    ...service,
    isActive: () => true,
    peers: () => [...peers.values()].map((peer) => peer.snapshot()),
    peer: (url) => peers.get(url)?.snapshot() ?? null,
    overLimit: () => overLimit,
    repair(url) {
      const peer = peers.get(url);
      peer?.repair();
      connectPeers();
      return peer !== undefined;
    },
    retry(url) {
      const peer = peers.get(url);
      if (!peer) return null;
      if (!isRunning) return "nothing";
      if (!peer.isDisconnected) return peer.retryFailed() ? "fetch" : "nothing";
      peer.connect().catch((error: unknown) => noteFailure(peer, error));
      return "connect";
    },
    async forget(url) {
      const peer = peers.get(url);
      if (!peer) return false;
      remove(peer, "forgotten by hand");
      memory.forget(url);
      await options.peers.forgetPeer(url);
      return true;
    },
    syncAgain({ identifiers, announcements }) {
      const items = { ...noItems, states: new Set(identifiers) };
      for (const peer of peers.values()) peer.askAgain(items, announcements);
    },
  };
}
