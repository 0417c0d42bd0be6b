import { expect, test } from "vitest";
import { recordingLogger } from "../../testing/recording-logger.js";
import { makeRepository } from "../../testing/simulation/git-world.js";
import { ourDomain, type Simulation, simulate } from "../../testing/simulation/simulation.js";

const host = "peer.example";

function shopOf(
  { random }: Simulation,
  options: { roots?: number; replies?: number; domains?: readonly string[] } = {},
) {
  const { roots = 4, domains = [ourDomain, host], ...rest } = options;
  return makeRepository({ random: random.fork("shop"), name: "shop", domains, roots, ...rest });
}

const connected = (world: Simulation) => world.until("it is in sync", () => world.status(host) === "connected");

test("GR-212 the record of a peer follows it from its registration to the loss of its connection", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const shop = shopOf(world);
    const peer = world.addPeer(host, { events: shop.events });
    const beganMs = world.clock.nowMs();
    await world.start();
    const registered = {
      repos: [],
      rootEvents: [],
      isBootstrap: true,
      connectionStatus: "connecting",
      lastConnected: null,
      disconnectedAt: null,
      announcementsSynced: false,
      historicSyncCompleted: false,
      historicSyncCompletedAt: null,
      historicSyncHadFailures: false,
    };
    expect(world.snapshot(host)).toMatchObject(registered);
    await world.until("it is open", () => world.status(host) === "syncing");
    const { lastConnected } = world.snapshot(host);
    expect(lastConnected).toBe(world.clock.nowMs());
    expect(lastConnected).toBeGreaterThan(beganMs);
    expect(world.snapshot(host)).toMatchObject({ ...registered, connectionStatus: "syncing", lastConnected });
    await world.until("announcements are there", () => world.snapshot(host).announcementsSynced);
    expect(world.snapshot(host)).toMatchObject({ historicSyncCompleted: false, repos: [] });
    await connected(world);
    const completedAt = world.clock.nowMs();
    const inSync = {
      repos: [shop.address],
      rootEvents: expect.arrayContaining(shop.roots.map(({ id }) => id)),
      isBootstrap: true,
      connectionStatus: "connected",
      lastConnected,
      disconnectedAt: null,
      announcementsSynced: true,
      historicSyncCompleted: true,
      historicSyncCompletedAt: completedAt,
      historicSyncHadFailures: false,
    };
    expect(world.snapshot(host)).toMatchObject(inSync);
    expect(world.snapshot(host).rootEvents).toHaveLength(shop.roots.length);
    await world.advance(60_000);
    peer.goDown();
    // What is proven stays proven, for when it comes back.
    expect(world.snapshot(host)).toMatchObject({
      ...inSync,
      connectionStatus: "disconnected",
      disconnectedAt: world.clock.nowMs(),
    });
  }));

test("GR-212 a peer that an announcement names is no bootstrap relay, and a batch that failed for good is remembered", () =>
  simulate({ config: { negentropy: false } }, async (world) => {
    const shop = shopOf(world);
    world.addPeer(host, { events: shop.events, behaviour: { maxFilterValues: 0 } });
    await world.start();
    await world.publish(shop.announcement);
    await world.until("it failed", () => world.status(host) === "connected_with_failures", { withinMs: 3_600_000 });
    expect(world.snapshot(host)).toMatchObject({ isBootstrap: false, historicSyncHadFailures: true, repos: [] });
  }));

test("GR-210 a batch that is read in pages tells what it is for, and how far each of its subscriptions is", () =>
  simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
    const shop = shopOf(world, { roots: 30, replies: 0 });
    const peer = world.addPeer(host, { events: shop.events, behaviour: { pageCap: 10, givesHints: true } });
    await world.start();
    await world.until("announcements are there", () => world.snapshot(host).announcementsSynced);
    // From now on answers are sent and never ended.
    peer.behaviour.sendsEose = false;
    const repositories = () => world.snapshot(host).pendingBatches.find(({ layer }) => layer === "repositories");
    await world.until("a page is there", () => repositories()?.outstanding[0]?.received === 10);
    const [last] = shop.roots
      .map(({ created_at }) => created_at)
      .sort((one, other) => other - one)
      .slice(9);
    const atLast = shop.events.filter(({ created_at }) => created_at === last).map(({ id }) => id);
    expect(repositories()).toEqual({
      batchId: expect.stringMatching(/./),
      layer: "repositories",
      items: [shop.address],
      since: null,
      method: "req_eose",
      startedAt: expect.any(Number),
      retries: 0,
      failed: false,
      pages: 1,
      received: 10,
      outstanding: [
        { filter: { "#a": [shop.address] }, received: 10, smallestCreatedAt: last, idsAtSmallest: new Set(atLast) },
      ],
      idsAsked: 0,
      idsSeen: 0,
    });
    const states = world.snapshot(host).pendingBatches.find(({ layer }) => layer === "states");
    expect(states).toMatchObject({ items: ["shop"], outstanding: [{ filter: { kinds: [30_618], "#d": ["shop"] } }] });
  }));

test("GR-210 GR-291 a batch that is reconciled tells the ids that it asked for, three hundred at once, and those that came", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const shop = shopOf(world, { roots: 640, replies: 0 });
    const withheld = shop.roots.slice(0, 5).map(({ id }) => id);
    const peer = world.addPeer(host, { events: shop.events, behaviour: { withheld: new Set(withheld) } });
    let seen: readonly [asked: number, seen: number] = [0, 0];
    await world.start();
    await world.until("it is in sync", () => {
      for (const { layer, method, idsAsked, idsSeen } of world.snapshot(host).pendingBatches)
        if (layer === "repositories" && method === "negentropy") seen = [idsAsked, idsSeen];
      return world.status(host) === "connected";
    });
    expect(seen).toEqual([640, 635]);
    const asked = peer
      .requests("ids")
      .flatMap(({ filters }) => filters.map(({ ids }) => (Array.isArray(ids) ? ids : [])));
    expect(Math.max(...asked.map(({ length }) => length))).toBe(300);
    expect(asked.filter(({ length }) => length === 300)).toHaveLength(2);
    expect(world.snapshot(host).pendingBatches).toEqual([]);
  }));

test("GR-291 what is stored, was rejected, or was refused by the peer is not asked for", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const shop = shopOf(world, { roots: 6, replies: 0 });
    const foreign = makeRepository({ random: world.random.fork("mill"), name: "mill", domains: [host], roots: 0 });
    const [here, refused, ...others] = shop.roots;
    if (!here || !refused) throw new Error("there are roots");
    const peer = world.addPeer(host, {
      events: [...shop.events, foreign.announcement],
      behaviour: { withheld: new Set([refused.id]) },
    });
    await world.publish(shop.announcement, here);
    await world.start();
    await connected(world);
    const idsAskedFor = () =>
      peer.requests("ids").flatMap(({ filters }) => filters.flatMap(({ ids }) => (Array.isArray(ids) ? ids : [])));
    expect(idsAskedFor()).not.toContain(here.id);
    expect(idsAskedFor()).not.toContain(shop.announcement.id);
    for (const { id } of [refused, foreign.announcement, ...others]) expect(idsAskedFor()).toContain(id);
    const before = idsAskedFor().length;
    // Everything is compared once more.
    peer.goDown();
    await world.advance(16 * 60_000);
    peer.comeBack();
    await world.until("it is back", () => world.status(host) === "syncing", { withinMs: 2 * 3_600_000 });
    await connected(world);
    expect(idsAskedFor().slice(before)).toEqual([]);
    expect(world.snapshot(host).certificates).toMatchObject({
      announcements: { missingHere: 0, excluded: { rejected: 1 } },
      repositories: { missingHere: 0, excluded: { refused: 1 } },
    });
  }));

test("GR-235 a peer of which nothing is wanted is closed on purpose: no failure, no further attempt, and nothing of it is left", () =>
  simulate({}, async (world) => {
    const shop = shopOf(world);
    const peer = world.addPeer(host, { events: shop.events });
    await world.start();
    await world.publish(shop.announcement);
    await connected(world);
    const moved = makeRepository({
      random: world.random.fork("moved"),
      name: "shop",
      domains: [ourDomain],
      from: Date.UTC(2025, 10, 1) / 1_000,
      roots: 0,
    });
    await world.publish(moved.announcement);
    await world.until("it is forgotten", () => world.status(host) === undefined);
    expect(world.log.walk(peer.url)).toEqual(["disconnected", "connecting", "syncing", "connected", "disconnecting"]);
    expect(world.log.removed).toEqual([peer.url]);
    expect(world.engine.peer(peer.url)).toBeNull();
    await world.until("the connection is closed", () => peer.openConnections === 0);
    await world.advance(3_600_000);
    expect(world.log.attempts).toEqual([{ peer: peer.url, result: "success" }]);
    // Named again, it is a new peer, and a healthy one.
    const back = makeRepository({
      random: world.random.fork("back"),
      name: "shop",
      domains: [ourDomain, host],
      from: Date.UTC(2025, 11, 1) / 1_000,
      roots: 0,
    });
    await world.publish(back.announcement);
    await connected(world);
    expect(world.snapshot(host)).toMatchObject({ health: "healthy", failures: 0 });
  }));

test("GR-480 the log tells each step of a peer, and what it sent that was refused as a detail", () => {
  const { logger, lines } = recordingLogger();
  return simulate({ bootstrap: [host], logger }, async (world) => {
    const foreign = shopOf(world, { domains: [host] });
    const peer = world.addPeer(host, { events: [foreign.announcement] });
    await world.start();
    await connected(world);
    const told = (text: string) => lines.filter(({ message }) => message === text);
    expect(told("a peer changed its status").map(({ level, fields }) => ({ level, fields }))).toEqual(
      [
        { from: "disconnected", to: "connecting", cause: "attempt" },
        { from: "connecting", to: "syncing", cause: "connected" },
        { from: "syncing", to: "connected", cause: "historic sync completed" },
      ].map((step) => ({ level: "info", fields: { relay: peer.url, ...step } })),
    );
    expect(told("an event of a peer was refused")).toMatchObject([
      { level: "debug", fields: { relay: peer.url, event_id: foreign.announcement.id, kind: 30_617 } },
    ]);
  });
});

test("GR-237 a peer is known at once, an attempt ends after the base backoff, and the next one begins when its wait is over", () =>
  simulate({ bootstrap: [host], config: { baseBackoffMs: 5_000 } }, async (world) => {
    world.addPeer(host, { behaviour: { handshake: "never" } });
    const starting = world.start();
    await starting;
    expect(world.status(host)).toBe("connecting");
    const took = await world.until("it is given up", () => world.status(host) === "disconnected");
    expect(took).toBe(5_000);
    expect(world.snapshot(host)).toMatchObject({ failures: 1, lastFailure: { failure: { kind: "timeout" } } });
    const { nextAttemptAt } = world.snapshot(host);
    await world.until("it is tried again", () => world.status(host) === "connecting");
    const lateMs = world.clock.nowMs() - (nextAttemptAt ?? 0);
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThanOrEqual(2_000);
  }));

test("GR-355 after a restart at most ten peers a second are called, the dead ones last", () => {
  const hosts = Array.from({ length: 28 }, (_, index) => `peer-${index}.example`);
  const dead = hosts.slice(0, 5);
  return simulate({ bootstrap: hosts }, async (world) => {
    const peers = hosts.map((each) => world.addPeer(each));
    for (const [index, peer] of peers.entries()) if (index < dead.length) peer.goDown();
    await world.start();
    // What failed for a day is dead, and is tried once a day; then its time has come.
    await world.advance(50 * 3_600_000);
    for (const each of dead) expect(world.snapshot(each).health).toBe("dead");
    await world.stop();
    await world.advance(25 * 3_600_000);
    const from = world.network.attempts.length;
    const beganMs = world.clock.nowMs();
    await world.restart();
    await world.advance(10_000);
    const calls = world.network.attempts.slice(from);
    expect(new Set(calls.slice(0, hosts.length).map(({ url }) => url)).size).toBe(hosts.length);
    for (let second = 0; second < 10; second++) {
      const inSecond = calls.filter(({ atMs }) => Math.floor((atMs - beganMs) / 1_000) === second);
      expect(inSecond.length).toBeLessThanOrEqual(10);
    }
    const calledAt = (host: string): number => calls.find(({ url }) => url === `wss://${host}`)?.atMs ?? Number.NaN;
    const lastMs = Math.max(...hosts.map(calledAt));
    for (const each of dead) expect(calledAt(each)).toBe(lastMs);
  });
});
