import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import { eventStoreMigrations } from "@signalbox/event-store";
import {
  type Clock,
  createServiceGroup,
  createVirtualClock,
  type Logger,
  noMetrics,
  silentLogger,
  type VirtualClock,
} from "@signalbox/kernel";
import { readServiceAddress, type VerifiedEvent } from "@signalbox/nostr";
import { testSigner } from "@signalbox/nostr/testing";
import { createEventIntake, type EventIntake } from "../../accept-event.js";
import { createPeerDiscovery } from "../../peers/discover.js";
import { createHealthTracker } from "../../peers/health.js";
import { createNaughtyList } from "../../peers/naughty.js";
import { createPeerStore } from "../../peers/peer-store.js";
import { readPeerUrl } from "../../peers/peer-url.js";
import { createRejectedIndex } from "../../peers/rejected-index.js";
import { createPolicy } from "../../policy.js";
import { createReconsideration } from "../../reconsider.js";
import { relayMigrations } from "../../store/migrations.js";
import type { RelayEvents } from "../../store/port.js";
import { createSqlRelayEvents } from "../../store/sql.js";
import { createSyncEngine } from "../../sync/engine.js";
import { defaultSyncConfig, type SyncConfig, type SyncEngine } from "../../sync/options.js";
import type { PeerUrl } from "../../sync/ports.js";
import type { ConnectionStatus, PeerSnapshot } from "../../sync/snapshot.js";
import { createInlineVerifier } from "../../verify/verifier.js";
import { createWaitingRoom } from "../../waiting-room.js";
import { type Busyness, createBusyness } from "./busyness.js";
import { createScriptedPeer, type PeerBehaviour, type ScriptedPeer } from "./scripted-peer.js";
import { createSeededRandom, type SeededRandom } from "./seeded-random.js";
import { createSyncLog, type SyncLog } from "./sync-log.js";
import { createVirtualNetwork, type VirtualNetwork } from "./virtual-network.js";

/** The host that announcements have to name so that the simulated relay takes them. */
export const ourDomain = "relay.example";

export interface SimulationOptions {
  /** What everything that happens by chance comes from. Default 1. */
  readonly seed?: number;
  /** The engine's configuration, where it differs from the default. */
  readonly config?: Partial<SyncConfig>;
  /** Hosts of bootstrap relays. */
  readonly bootstrap?: readonly string[];
  /** Is told what the engine asks of its health tracker and its naughty list, as `health.state`. */
  readonly onAsked?: (what: string) => void;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

export interface UntilOptions {
  /** Default ten minutes. */
  readonly withinMs?: number;
  readonly everyMs?: number;
}

/** The whole engine on the relay's own store, among scripted peers, on a virtual clock. */
export interface Simulation {
  readonly seed: number;
  readonly random: SeededRandom;
  readonly clock: VirtualClock;
  readonly network: VirtualNetwork;
  readonly engine: SyncEngine;
  readonly intake: EventIntake;
  readonly events: RelayEvents;
  readonly log: SyncLog;
  /** A peer at `wss://host`. */
  addPeer(
    host: string,
    options?: { events?: readonly VerifiedEvent[]; behaviour?: Partial<PeerBehaviour> },
  ): ScriptedPeer;
  /** Stores events as if a client had published them. */
  publish(...events: readonly VerifiedEvent[]): Promise<void>;
  /** Lets time pass. */
  advance(durationMs: number): Promise<void>;
  /**
   * Lets time pass until the condition holds, and looks after each thing that happens, or after each `everyMs`; resolves
   * with how long that took. @throws {Error} when it does not hold in time
   */
  until(what: string, condition: () => boolean | Promise<boolean>, options?: UntilOptions): Promise<number>;
  /** The clock of the relay's machine is set: back, or forward, which is also what a machine sees that was asleep. */
  setClock(byMs: number): void;
  snapshot(host: string): PeerSnapshot;
  status(host: string): ConnectionStatus | undefined;
  storedIds(): Promise<ReadonlySet<string>>;
  start(): Promise<void>;
  /** The process ends. */
  stop(): Promise<void>;
  /** It ends, if it has not, and begins anew on the same data. */
  restart(): Promise<void>;
}

/** Runs a scenario to its end. A failure tells the seed that repeats it. */
export async function simulate(
  options: SimulationOptions,
  scenario: (world: Simulation) => Promise<void>,
): Promise<void> {
  const seed = options.seed ?? 1;
  const directory = mkdtempSync(join(tmpdir(), "simulation-"));
  const database = await openDatabase({ path: join(directory, "relay.db") });
  await migrate(database, [eventStoreMigrations, relayMigrations]);
  const clock = createVirtualClock();
  const random = createSeededRandom(seed);
  const network = createVirtualNetwork({ clock, random: random.fork("network") });
  const busyness = createBusyness();
  const log = createSyncLog();
  const bootstrap = (options.bootstrap ?? []).map(urlOf);
  const config = { ...defaultSyncConfig, bootstrapRelays: bootstrap, ...options.config };
  let aheadMs = 0;
  const clockOfRelay: Clock = { ...clock, nowMs: () => clock.nowMs() + aheadMs };
  const { onAsked = () => {}, logger = silentLogger } = options;
  const makeRelay = (run: number): RunningRelay =>
    startRelay({
      database,
      clock: clockOfRelay,
      network,
      busyness,
      log,
      config,
      random: random.fork(`run ${run}`),
      onAsked,
      logger,
    });

  let runs = 1;
  let relay = makeRelay(runs);
  const advance = (durationMs: number): Promise<void> => passTime(clock, busyness, network, durationMs);
  const world: Simulation = {
    seed,
    random,
    clock,
    network,
    log,
    get engine() {
      return relay.engine;
    },
    get intake() {
      return relay.intake;
    },
    get events() {
      return relay.events;
    },
    addPeer(host, { events, behaviour } = {}) {
      const url = urlOf(host);
      const peer = createScriptedPeer({
        url,
        clock,
        random: random.fork(host),
        ...(events && { events }),
        ...(behaviour && { behaviour }),
      });
      network.add(url, peer);
      return peer;
    },
    async publish(...events) {
      for (const event of events) {
        const origin = { source: "client", correlationId: "a client" } as const;
        const verdict = await relay.intake.accept(event, { origin, authenticated: new Set() });
        if (verdict.kind !== "saved")
          throw new Error(`an event of kind ${event.kind} ended as ${JSON.stringify(verdict)}`);
      }
    },
    advance,
    async until(what, condition, { withinMs = 600_000, everyMs } = {}) {
      const beganMs = clock.nowMs();
      while (!(await condition())) {
        const nowMs = clock.nowMs();
        const nextMs = everyMs === undefined ? clock.nextTimerMs() : nowMs + everyMs;
        if (nextMs === undefined || nowMs >= beganMs + withinMs)
          throw new Error(`${what}: not within ${withinMs} ms of virtual time`);
        await advance(Math.max(0, Math.min(nextMs, beganMs + withinMs) - nowMs));
      }
      return clock.nowMs() - beganMs;
    },
    setClock(byMs) {
      aheadMs += byMs;
    },
    snapshot(host) {
      const snapshot = relay.engine.peer(urlOf(host));
      if (!snapshot) throw new Error(`${host} is not tracked`);
      return snapshot;
    },
    status: (host) => relay.engine.peer(urlOf(host))?.connectionStatus,
    async storedIds() {
      const { rows } = await database.run<{ id: string }>("select id from relay_events");
      return new Set(rows.map(({ id }) => id));
    },
    start: () => relay.start(),
    stop: () => relay.stop(advance),
    async restart() {
      await relay.stop(advance);
      relay = makeRelay(++runs);
      await relay.start();
    },
  };
  try {
    await scenario(world);
  } catch (error) {
    throw new Error(`with seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    await relay.stop(advance);
    await database.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

interface RunningRelay {
  readonly engine: SyncEngine;
  readonly intake: EventIntake;
  readonly events: RelayEvents;
  start(): Promise<void>;
  stop(advance: Simulation["advance"]): Promise<void>;
}

interface RelayParts {
  readonly database: Awaited<ReturnType<typeof openDatabase>>;
  readonly clock: Clock;
  readonly network: VirtualNetwork;
  readonly busyness: Busyness;
  readonly log: SyncLog;
  readonly config: SyncConfig;
  readonly random: SeededRandom;
  readonly onAsked: (what: string) => void;
  readonly logger: Logger;
}

/** The relay as it is, without its listener. */
function startRelay(parts: RelayParts): RunningRelay {
  const { database, clock, network, busyness, log, config, random, onAsked, logger } = parts;
  const domain = readServiceAddress(ourDomain);
  const events = busyness.watch(createSqlRelayEvents({ database, clock }));
  const intake = busyness.watch(
    createEventIntake({
      events,
      verifier: createInlineVerifier(),
      policy: createPolicy({
        profile: "grasp",
        service: () => domain,
        blockedAuthors: new Set(),
        repositories: [],
        blockedRepositories: [],
        authority: "listed",
      }),
      waitingRoom: createWaitingRoom({ clock }),
      publishSaved: async () => {},
      maxFutureSeconds: 900,
      clock,
      logger,
      metrics: noMetrics,
    }),
  );
  const rejected = busyness.watch(createRejectedIndex({ database, clock, logger, metrics: noMetrics }));
  const engine = createSyncEngine({
    config,
    clock,
    random,
    sockets: network,
    information: network,
    discovery: createPeerDiscovery({ domain, listening: "127.0.0.1:7334", aliases: [] }),
    health: listenTo(createHealthTracker({ clock, random }), (method) => onAsked(`health.${method}`)),
    naughty: listenTo(createNaughtyList({ clock }), (method) => onAsked(`naughty.${method}`)),
    peers: busyness.watch(createPeerStore(database)),
    rejected,
    events,
    intake,
    limits: { maxEventBytes: 262_144, maxEventTags: 5_000, maxContentLength: 262_144 },
    observer: log.observer,
    signer: testSigner("the relay"),
    logger,
  });
  const reconsideration = createReconsideration({
    intake,
    rejected,
    syncAgain: (what) => engine.syncAgain(what),
    clock,
    logger,
  });
  const service = createServiceGroup("relay", [rejected.service, reconsideration, engine]);
  return {
    engine,
    intake,
    events,
    start: () => service.start(),
    async stop(advance) {
      const stopping = service.stop();
      await advance(5_000);
      await stopping;
      await intake.stop();
    },
  };
}

/** The same object, with somebody who hears which of its methods are called. */
function listenTo<T extends object>(target: T, onCall: (method: string) => void): T {
  return new Proxy(target, {
    get(object, name) {
      if (typeof name === "string") onCall(name);
      return Reflect.get(object, name, object);
    },
  });
}

/** Moves from one timer to the next, and before each step waits until nothing is being worked on. */
async function passTime(
  clock: VirtualClock,
  busyness: Busyness,
  network: VirtualNetwork,
  durationMs: number,
): Promise<void> {
  const targetMs = clock.nowMs() + durationMs;
  for (;;) {
    await busyness.rest(() => network.happenings);
    const nextMs = clock.nextTimerMs();
    if (nextMs === undefined || nextMs > targetMs) break;
    await clock.advanceBy(Math.max(0, nextMs - clock.nowMs()));
  }
  await clock.advanceBy(targetMs - clock.nowMs());
  await busyness.rest(() => network.happenings);
}

function urlOf(host: string): PeerUrl {
  const url = readPeerUrl(host);
  if (!url) throw new Error(`${host} names no peer`);
  return url;
}
