import type { FilterJson, VerifiedEvent } from "@signalbox/nostr";
import { repositoryTag, testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import { makeReply, makeRepository, makeRoot, type WorldRepository } from "../../testing/simulation/git-world.js";
import type { ScriptedPeer } from "../../testing/simulation/scripted-peer.js";
import { ourDomain, type Simulation, simulate } from "../../testing/simulation/simulation.js";

const host = "peer.example";
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

async function syncedWorld(
  world: Simulation,
): Promise<{ readonly peer: ScriptedPeer; readonly shop: WorldRepository }> {
  const shop = makeRepository({ random: world.random.fork("shop"), name: "shop", domains: [ourDomain, host] });
  const peer = world.addPeer(host, { events: shop.events });
  await world.start();
  await connected(world);
  return { peer, shop };
}

const connected = (world: Simulation): Promise<number> =>
  world.until("it is in sync", () => world.status(host) === "connected", { withinMs: 2 * hourMs });

/** One event of every layer, made now, or before. */
function newsOf(world: Simulation, shop: WorldRepository, agoMs = 0): VerifiedEvent[] {
  const random = world.random.fork(`news at ${world.clock.nowMs()}`);
  const createdAt = Math.floor((world.clock.nowMs() - agoMs) / 1_000);
  const author = testSigner("a late author");
  const root = makeRoot(author, repositoryTag(shop.owner, shop.identifier), { random, index: 99, createdAt });
  const other = makeRepository({
    random,
    name: `new-${createdAt}`,
    domains: [ourDomain, host],
    from: createdAt,
    until: createdAt,
  });
  const answers = [shop.roots[0], root].flatMap((each) =>
    each ? [makeReply(author, each, shop.address, { random, createdAt })] : [],
  );
  return [root, ...answers, ...other.events];
}

async function expectEverything(world: Simulation, events: readonly VerifiedEvent[]): Promise<void> {
  const stored = await world.storedIds();
  expect(events.filter(({ id }) => !stored.has(id)).map(({ kind }) => kind)).toEqual([]);
}

/** What was asked of history over the last connection. */
function historicFilters(peer: ScriptedPeer): FilterJson[] {
  const last = Math.max(...peer.heard.map(({ connection }) => connection));
  return peer.requests("historic").flatMap(({ connection, filters }) => (connection === last ? filters : []));
}

const sessionsOf = (peer: ScriptedPeer): number => {
  const last = Math.max(...peer.heard.map(({ connection }) => connection));
  return peer.heard.filter(({ connection, message }) => connection === last && message[0] === "NEG-OPEN").length;
};

test("GR-331 GR-237 GR-242 after three minutes away only what is newer than two minutes before is asked for, in every layer", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const { peer, shop } = await syncedWorld(world);
    await world.advance(10 * minuteMs);
    peer.goDown();
    const { disconnectedAt } = world.snapshot(host);
    expect(disconnectedAt).toBe(world.clock.nowMs());
    await world.advance(3 * minuteMs);
    const news = newsOf(world, shop);
    peer.publish(...news);
    peer.comeBack();
    await connected(world);
    await expectEverything(world, news);

    const since = Math.floor((disconnectedAt ?? 0) / 1_000) - 120;
    const { announcement } = shop;
    const known = historicFilters(peer).filter((filter) => !isAboutNews(filter, news));
    expect(known).toContainEqual({ kinds: [30_617, 10_317], since });
    expect(known).toContainEqual({ kinds: [30_618], "#d": ["shop"], since });
    for (const letter of ["#a", "#A", "#q"]) expect(known).toContainEqual({ [letter]: [shop.address], since });
    for (const letter of ["#e", "#E", "#q"]) {
      const ofRoots = known.filter((filter) => String(filter[letter]).includes(shop.roots[0]?.id ?? ""));
      expect(ofRoots).toEqual([expect.objectContaining({ since })]);
    }
    expect(known.every((filter) => filter["since"] === since)).toBe(true);
    expect(announcement.created_at).toBeLessThan(since);
    expect(world.log.walk(peer.url)).toEqual([
      "disconnected",
      "connecting",
      "syncing",
      "connected",
      "disconnected",
      ...attemptsUntilSyncing(world, peer),
      "connected",
    ]);
  }));

function isAboutNews(filter: FilterJson, news: readonly VerifiedEvent[]): boolean {
  const values = Object.values(filter).flat().map(String);
  const names = news.flatMap(({ id, tags }) => [
    id,
    ...tags.filter(([name]) => name === "d").map(([, value]) => value ?? ""),
  ]);
  return values.some((value) => names.some((name) => value === name || value.endsWith(`:${name}`)));
}

/** The failed attempts that were made meanwhile, and the one that was not. */
function attemptsUntilSyncing(world: Simulation, peer: ScriptedPeer): string[] {
  const walk = world.log.walk(peer.url);
  const middle = walk.slice(5, -1);
  expect(middle.at(-1)).toBe("syncing");
  expect(
    middle.slice(0, -1).every((status, index) => status === (index % 2 === 0 ? "connecting" : "disconnected")),
  ).toBe(true);
  return middle;
}

test("GR-330 after sixteen minutes away everything is asked for anew", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const { peer, shop } = await syncedWorld(world);
    const completedAt = world.snapshot(host).historicSyncCompletedAt;
    peer.goDown();
    await world.advance(16 * minuteMs);
    const news = newsOf(world, shop);
    peer.publish(...news);
    peer.comeBack();
    await world.until("it is connected again", () => world.status(host) === "syncing", { withinMs: 2 * hourMs });
    expect(world.snapshot(host)).toMatchObject({ historicSyncCompleted: false, historicSyncCompletedAt: null });
    await connected(world);
    await expectEverything(world, news);
    expect(historicFilters(peer)).toEqual([]);
    expect(sessionsOf(peer)).toBeGreaterThan(7);
    expect(
      peer.heard.filter(({ message }) => message[0] === "NEG-OPEN" && JSON.stringify(message).includes("since")),
    ).toEqual([]);
    expect(world.snapshot(host).historicSyncCompletedAt).toBeGreaterThan(completedAt ?? Number.POSITIVE_INFINITY);
  }));

test("GR-330 GR-215 a restarted process knows what it wants from its store, and asks for everything anew", () =>
  simulate({}, async (world) => {
    const shop = makeRepository({ random: world.random.fork("shop"), name: "shop", domains: [ourDomain, host] });
    const peer = world.addPeer(host, { events: shop.events });
    await world.start();
    await world.publish(shop.announcement);
    await connected(world);
    const news = newsOf(world, shop);
    peer.goDown();
    peer.stored.delete(shop.announcement.id);
    peer.publish(...news);
    peer.comeBack();
    await world.restart();
    // No announcement has to be read again for the peer to be known.
    expect(world.engine.peers().map(({ url }) => url)).toEqual([peer.url]);
    await connected(world);
    await expectEverything(world, news);
    expect(historicFilters(peer)).toEqual([]);
    expect(sessionsOf(peer)).toBeGreaterThan(7);
  }));

test("GR-331 an outage that begins before the first sync is over loses nothing of it", () =>
  simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
    const shop = makeRepository({
      random: world.random.fork("shop"),
      name: "shop",
      domains: [ourDomain, host],
      roots: 30,
    });
    const peer = world.addPeer(host, { events: shop.events, behaviour: { breaksAfter: 40 } });
    await world.start();
    await world.until("it broke twice", () => peer.heard.some(({ connection }) => connection === 3), {
      withinMs: hourMs,
    });
    peer.behaviour.breaksAfter = Number.POSITIVE_INFINITY;
    await connected(world);
    await expectEverything(world, shop.events);
    // What was interrupted is followed by daily syncs like any other.
    const late = newsOf(world, shop)[1];
    if (late) peer.stored.add(late);
    await world.advance(27 * hourMs);
    await expectEverything(world, late ? [late] : []);
  }));

test("GR-331 a quick reconnect that is interrupted is made up for by the next one", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const { peer, shop } = await syncedWorld(world);
    peer.goDown();
    const lostAt = world.snapshot(host).disconnectedAt ?? 0;
    const news = newsOf(world, shop);
    await world.advance(minuteMs);
    peer.publish(...news);
    // The next connection breaks before anything was answered.
    peer.behaviour.breaksAfter = 1;
    peer.comeBack();
    await world.until("it was reached", () => world.status(host) === "syncing", { withinMs: hourMs });
    await world.until("it was lost again", () => world.status(host) === "disconnected");
    peer.goDown();
    peer.behaviour.breaksAfter = Number.POSITIVE_INFINITY;
    await world.advance(minuteMs);
    peer.comeBack();
    await connected(world);
    await expectEverything(world, news);
    const known = historicFilters(peer).filter((filter) => !isAboutNews(filter, news));
    const since = Math.floor(lostAt / 1_000) - 120;
    expect(new Set(known.map((filter) => filter["since"]))).toEqual(new Set([since]));
  }));

test.each([5, 16])(
  "GR-331 what came to a peer while this machine slept for %i minutes is fetched when it awakes",
  (minutes) =>
    simulate({ bootstrap: [host] }, async (world) => {
      const { peer, shop } = await syncedWorld(world);
      await world.advance(10 * minuteMs);
      const asleepAt = world.clock.nowMs();
      world.setClock(minutes * minuteMs);
      const news = newsOf(world, shop, -minuteMs);
      for (const event of news) peer.stored.add(event);
      // It has given us up meanwhile, which shows now.
      await world.advance(minuteMs / 2);
      peer.goDown();
      expect(Math.abs((world.snapshot(host).disconnectedAt ?? 0) - asleepAt)).toBeLessThanOrEqual(2_000);
      peer.comeBack();
      await connected(world);
      await expectEverything(world, news);
    }),
);

test("GR-331 the clock was set back meanwhile: everything is asked for anew", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const { peer, shop } = await syncedWorld(world);
    peer.goDown();
    world.setClock(-hourMs);
    const news = newsOf(world, shop, hourMs);
    peer.publish(...news);
    peer.comeBack();
    await connected(world);
    await expectEverything(world, news);
    expect(historicFilters(peer)).toEqual([]);
    expect(sessionsOf(peer)).toBeGreaterThan(7);
  }));

test("GR-333 once a day everything is compared again, over the same connection and at a time of its own for each peer", () =>
  simulate({}, async (world) => {
    const hosts = Array.from({ length: 6 }, (_, index) => `peer-${index}.example`);
    const shop = makeRepository({ random: world.random.fork("shop"), name: "shop", domains: [ourDomain, ...hosts] });
    const peers = hosts.map((each) => world.addPeer(each, { events: shop.events }));
    await world.start();
    await world.publish(shop.announcement);
    for (const each of hosts) await world.until("it is in sync", () => world.status(each) === "connected");
    const beganMs = world.clock.nowMs();
    // Nobody is told of it.
    const [, silently] = newsOf(world, shop);
    if (silently) peers[0]?.stored.add(silently);
    const attempts = world.log.attempts.length;
    await world.advance(25.1 * hourMs);

    const daily = world.log.transitions.filter(({ cause }) => cause === "daily");
    expect(daily.map(({ peer }) => peer).sort()).toEqual(peers.map(({ url }) => url).sort());
    for (const { at } of daily) {
      expect(at - beganMs).toBeGreaterThanOrEqual(23 * hourMs - minuteMs);
      expect(at - beganMs).toBeLessThanOrEqual(25 * hourMs + minuteMs);
    }
    expect(new Set(daily.map(({ at }) => at)).size).toBeGreaterThan(3);
    for (const { url } of peers)
      expect(world.log.walk(url)).toEqual([
        "disconnected",
        "connecting",
        "syncing",
        "connected",
        "syncing",
        "connected",
      ]);
    expect(world.log.attempts).toHaveLength(attempts);
    await expectEverything(world, silently ? [silently] : []);
  }));

test("GR-333 no more than four peers are compared at one time", () =>
  simulate({ config: { negentropy: false } }, async (world) => {
    const hosts = Array.from({ length: 6 }, (_, index) => `peer-${index}.example`);
    const shop = makeRepository({ random: world.random.fork("shop"), name: "shop", domains: [ourDomain, ...hosts] });
    const peers = hosts.map((each) => world.addPeer(each, { events: shop.events }));
    await world.start();
    await world.publish(shop.announcement);
    for (const each of hosts) await world.until("it is in sync", () => world.status(each) === "connected");
    await world.advance(22 * hourMs);
    for (const { behaviour } of peers) behaviour.sendsEose = false;
    // The last of them is due at the 25th hour; a request without an answer is given up after forty minutes only.
    let most = 0;
    for (let minutes = 0; minutes < 200; minutes += 5) {
      await world.advance(5 * minuteMs);
      const running = hosts.filter((each) => world.status(each) === "syncing").length;
      most = Math.max(most, running);
    }
    expect(most).toBe(4);
  }));

test("GR-335 an event that was made before an absence and came to the peer during it is found within an hour", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const { peer, shop } = await syncedWorld(world);
    await world.advance(20 * minuteMs);
    const [backDated] = newsOf(world, shop);
    await world.advance(20 * minuteMs);
    peer.goDown();
    if (backDated) peer.stored.add(backDated);
    await world.advance(2 * minuteMs);
    peer.comeBack();
    await connected(world);
    expect((await world.storedIds()).has(backDated?.id ?? "")).toBe(false);
    await world.advance(hourMs + minuteMs);
    await expectEverything(world, backDated ? [backDated] : []);
  }));

test("GR-214 a late end of an answer to what was dropped changes nothing", () =>
  simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
    const shop = makeRepository({ random: world.random.fork("shop"), name: "shop", domains: [ourDomain, host] });
    const peer = world.addPeer(host, { events: shop.events, behaviour: { sendsEose: false } });
    await world.start();
    await world.until("it was asked", () => peer.requests("historic").length === 1);
    const [asked] = peer.requests("historic");
    world.engine.repair(peer.url);
    await world.until("it was asked again", () => peer.requests("historic").length === 2);
    expect(world.log.batches.map(({ result }) => result)).toEqual(["dropped"]);
    peer.say(["EOSE", asked?.id, ["finish"]]);
    peer.say(["EOSE", "never opened"]);
    await world.advance(minuteMs);
    expect(world.snapshot(host).announcementsSynced).toBe(false);
    expect(world.status(host)).toBe("syncing");
    expect(world.log.batches.filter(({ result }) => result === "confirmed")).toEqual([]);
    peer.say(["EOSE", peer.requests("historic")[1]?.id, ["finish"]]);
    await world.advance(minuteMs);
    expect(world.snapshot(host).announcementsSynced).toBe(true);
  }));
