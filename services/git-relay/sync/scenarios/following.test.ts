import type { VerifiedEvent } from "@signalbox/nostr";
import { repositoryTag, signEvent, testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import { makeReply, makeRepository, makeRoot, type WorldRepository } from "../../testing/simulation/git-world.js";
import type { PeerBehaviour, ScriptedPeer } from "../../testing/simulation/scripted-peer.js";
import { ourDomain, type Simulation, simulate } from "../../testing/simulation/simulation.js";

const host = "peer.example";
const minuteMs = 60_000;

function shopOf(
  world: Simulation,
  domains: readonly string[],
  options: { name?: string; roots?: number; replies?: number } = {},
): WorldRepository {
  const { name = "shop", roots = 5, replies = 4 } = options;
  return makeRepository({ random: world.random.fork(name), name, domains: [ourDomain, ...domains], roots, replies });
}

const connected = (world: Simulation, peer = host): Promise<number> =>
  world.until(`${peer} is in sync`, () => world.status(peer) === "connected", { withinMs: 60 * minuteMs });

function rootOf(world: Simulation, shop: WorldRepository, index: number): VerifiedEvent {
  const createdAt = Math.floor(world.clock.nowMs() / 1_000);
  const tag = repositoryTag(shop.owner, shop.identifier);
  return makeRoot(testSigner("a late author"), tag, { random: world.random, index, createdAt });
}

function replyTo(world: Simulation, shop: WorldRepository, root: VerifiedEvent): VerifiedEvent {
  const createdAt = Math.floor(world.clock.nowMs() / 1_000);
  return makeReply(testSigner("a late author"), root, shop.address, { random: world.random, createdAt });
}

async function missing(world: Simulation, events: readonly VerifiedEvent[]): Promise<string[]> {
  const stored = await world.storedIds();
  return events.flatMap(({ id }) => (stored.has(id) ? [] : [id]));
}

/** Counts how often each event is told as stored. */
function countSaved(world: Simulation): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  world.intake.onSaved(({ event }) => times.set(event.id, (times.get(event.id) ?? 0) + 1));
  return times;
}

const sent = (peer: ScriptedPeer, ...verbs: string[]) =>
  peer.heard.filter(({ message }) => verbs.includes(String(message[0])));

test("GR-233 GR-239 GR-271 what is published at a peer later is here at once, also answers to what is new, and the status stays", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const shop = shopOf(world, [host]);
    const peer = world.addPeer(host, { events: shop.events });
    await world.start();
    await connected(world);
    const root = rootOf(world, shop, 1);
    peer.publish(root);
    await world.advance(1_000);
    expect(await missing(world, [root])).toEqual([]);
    const { historicSyncCompletedAt } = world.snapshot(host);
    // Answers to it are followed after one window, and those that came before that are fetched.
    const early = replyTo(world, shop, root);
    peer.publish(early);
    await world.advance(6_000);
    expect(world.snapshot(host).rootEvents).toContain(root.id);
    const late = replyTo(world, shop, root);
    peer.publish(late);
    await world.advance(1_000);
    expect(await missing(world, [early, late])).toEqual([]);
    expect(world.log.walk(peer.url)).toEqual(["disconnected", "connecting", "syncing", "connected"]);
    expect(world.snapshot(host).historicSyncCompletedAt).toBe(historicSyncCompletedAt);
  }));

test(
  "GR-267 many live subscriptions are gathered into few; nothing that comes meanwhile is lost or stored twice",
  { timeout: 120_000 },
  () =>
    simulate({ bootstrap: [host] }, async (world) => {
      const peer = world.addPeer(host);
      const times = countSaved(world);
      await world.start();
      await connected(world);
      const all: VerifiedEvent[] = [];
      const publish = (...events: VerifiedEvent[]): void => {
        all.push(...events);
        peer.publish(...events);
      };
      let shops: WorldRepository[] = [];
      for (let index = 0; index < 28; index++) {
        const shop = shopOf(world, [host], { name: `shop-${index}`, roots: 1 });
        shops = [...shops, shop];
        publish(...shop.events);
        // Windows of five seconds: each brings subscriptions of its own.
        for (let second = 0; second < 11; second++) {
          await world.advance(500);
          publish(rootOf(world, world.random.pick(shops), index * 100 + second));
          await world.advance(500);
        }
      }
      await world.advance(2 * minuteMs);
      expect(peer.mostSubscriptions).toBeLessThan(100);
      expect(peer.openSubscriptions).toBeLessThan(71);
      expect(await missing(world, all)).toEqual([]);
      expect([...times].filter(([, count]) => count > 1)).toEqual([]);
      expect(times.size).toBe(all.length);

      // The new ones are open before the old ones are closed, and what comes meanwhile is asked for again.
      const gatherings = peer.requests("live").filter(({ filters }) => filters.length > 3);
      const closed = sent(peer, "CLOSE").filter(({ message }) => String(message[1]).startsWith("l"));
      expect(closed.length).toBeGreaterThan(20);
      expect(gatherings[0]?.atMs).toBeLessThanOrEqual(closed[0]?.atMs ?? 0);
      const requests = peer.heard.map(({ message }) => message);
      const opened = requests.findIndex(([verb, id]) => verb === "REQ" && id === gatherings[0]?.id);
      expect(opened).toBeLessThan(requests.indexOf(closed[0]?.message ?? []));
      const looksBack = peer.requests("historic").filter(({ filters }) => filters[0]?.["since"] !== undefined);
      expect(looksBack.length).toBeGreaterThan(0);
      for (const { atMs, filters } of looksBack)
        expect(Math.abs(atMs / 1_000 - 900 - Number(filters[0]?.["since"]))).toBeLessThan(5);
    }),
);

test.each([
  { name: "by a NOTICE", rateLimitBy: "notice" },
  { name: "by ending the subscription", rateLimitBy: "closed" },
] as const)(
  "GR-354 GR-351 a peer that wants us to slow down $name is asked nothing for 65 seconds; others feel nothing",
  ({ rateLimitBy }) =>
    simulate({ bootstrap: [host, "other.example"] }, async (world) => {
      const shop = shopOf(world, [host, "other.example"], { roots: 150 });
      const peer = world.addPeer(host, { events: shop.events, behaviour: { requestsPerMinute: 9, rateLimitBy } });
      world.addPeer("other.example", { events: shop.events.slice(0, 20) });
      await world.start();
      await world.until("it was too much", () => world.snapshot(host).health === "rate_limited");
      const limitedMs = world.clock.nowMs();
      // What was on its way to the peer is still heard.
      await world.advance(100);
      const asked = (): number => sent(peer, "REQ", "NEG-OPEN").length;
      const before = asked();
      await world.advance(64_000 - (world.clock.nowMs() - limitedMs));
      expect(asked()).toBe(before);
      expect(world.status(host)).toBe("syncing");
      expect(world.status("other.example")).toBe("connected");
      // What was open stays open.
      const root = rootOf(world, shop, 1);
      peer.publish(root);
      await world.advance(500);
      expect(await missing(world, [root])).toEqual([]);
      await world.advance(5_000);
      expect(asked()).toBeGreaterThan(before);
      await connected(world);
      expect(await missing(world, shop.events)).toEqual([]);
      expect(world.log.attempts.filter((attempt) => attempt.peer === peer.url)).toEqual([
        { peer: peer.url, result: "success" },
      ]);
    }),
);

const waysToBeBad: readonly Partial<PeerBehaviour>[] = [
  { isSilent: true },
  { handshake: "never" },
  { handshakeMs: 4_990 },
  { requestsPerMinute: 0, rateLimitBy: "notice" },
  { requestsPerMinute: 1 },
  { onlyNotice: "not today" },
  { sendsEose: false },
  { answerMs: 30_000 },
  { breaksAfter: 3 },
  { handshake: { kind: "refused", code: "ECONNREFUSED", message: "nobody is there" } },
];

test("GR-216 twenty peers that are slow, silent, refuse or break delay the twenty-first by less than a second", () => {
  const good = "good.example";
  const timeToConnected = async (badOnes: number): Promise<number> => {
    let took = Number.NaN;
    const bad = Array.from({ length: badOnes }, (_, index) => `bad-${index}.example`);
    await simulate({ bootstrap: [...bad, good] }, async (world) => {
      const shop = shopOf(world, [good, ...bad.slice(0, 15)], { roots: 30 });
      for (const [index, each] of bad.entries()) {
        const behaviour = waysToBeBad[index % waysToBeBad.length];
        world.addPeer(each, { events: shop.events.slice(0, 30), ...(behaviour && { behaviour }) });
      }
      world.addPeer(good, { events: shop.events });
      await world.start();
      took = await connected(world, good);
      expect(await missing(world, shop.events)).toEqual([]);
    });
    return took;
  };
  return Promise.all([timeToConnected(0), timeToConnected(20)]).then(([alone, among]) => {
    expect(among).toBeLessThan(alone + 1_000);
  });
});

test("GR-906 fifty peers that are silent or want us to slow down cost ten good ones no tenth of their time, and no message more", {
  timeout: 120_000,
}, async () => {
  const good = Array.from({ length: 10 }, (_, index) => `good-${index}.example`);
  const run = async (badOnes: number): Promise<{ readonly tookMs: number; readonly heard: number }> => {
    const bad = Array.from({ length: badOnes }, (_, index) => `bad-${index}.example`);
    const result = { tookMs: 0, heard: 0 };
    await simulate({ bootstrap: [...bad, ...good], config: { negentropy: false } }, async (world) => {
      const shop = shopOf(world, good, { roots: 20 });
      for (const [index, each] of bad.entries())
        world.addPeer(each, {
          behaviour: index % 2 === 0 ? { isSilent: true } : { onlyNotice: "rate limit exceeded" },
        });
      const peers = good.map((each) => world.addPeer(each, { events: shop.events }));
      const beganMs = world.clock.nowMs();
      await world.start();
      for (const each of good) await connected(world, each);
      result.tookMs = world.clock.nowMs() - beganMs;
      result.heard = peers.reduce((sum, peer) => sum + peer.requests().length, 0);
      expect(await missing(world, shop.events)).toEqual([]);
    });
    return result;
  };
  const [alone, among] = [await run(0), await run(50)];
  expect(among.tookMs).toBeLessThanOrEqual(alone.tookMs * 1.1);
  expect(among.heard).toBe(alone.heard);
});

test("GR-273 a peer that sends faster than events are decided is not read further, and nothing of it is lost", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const shop = shopOf(world, [host], { roots: 2_500, replies: 0 });
    world.addPeer(host, { events: shop.events, behaviour: { pageCap: 10_000, negentropy: "error", answerMs: 0 } });
    let most = 0;
    world.intake.onSaved(() => {
      most = Math.max(most, world.snapshot(host).undecidedEvents);
    });
    await world.start();
    await connected(world);
    expect(most).toBe(2_000);
    expect(await missing(world, shop.events)).toEqual([]);
  }));

test("GR-272 GR-352 forged events are counted as such and stored never; twenty in a minute make the peer suspicious", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const shop = shopOf(world, [host]);
    const peer = world.addPeer(host, { events: shop.events });
    await world.start();
    await connected(world);
    const [live] = peer.requests("live").filter(({ filters }) => JSON.stringify(filters).includes("#a"));
    const forge = (index: number): VerifiedEvent => ({ ...rootOf(world, shop, index), content: `forged ${index}` });
    for (let index = 0; index < 19; index++) peer.say(["EVENT", live?.id, forge(index)]);
    await world.advance(1_000);
    expect(world.log.received("invalid", peer.url)).toBe(19);
    expect(world.snapshot(host).health).toBe("healthy");
    peer.say(["EVENT", live?.id, forge(20)]);
    peer.say(["EVENT", live?.id, { ...rootOf(world, shop, 21), sig: "0".repeat(128) }]);
    await world.advance(1_000);
    expect(world.snapshot(host).health).toBe("degraded");
    expect(world.status(host)).toBe("connected");
    const honest = rootOf(world, shop, 22);
    peer.publish(honest);
    await world.advance(1_000);
    expect((await world.storedIds()).size).toBe(shop.events.length + 1);
    // It becomes healthy again by itself.
    await world.advance(6 * minuteMs);
    expect(world.snapshot(host).health).toBe("healthy");
  }));

test("GR-269 a peer that turns out to be ourselves under another name is left and not called again", () =>
  simulate({ bootstrap: [host] }, async (world) => {
    const shop = shopOf(world, [host, "alias.example"]);
    world.addPeer(host, { events: shop.events });
    const alias = world.addPeer("alias.example", {
      behaviour: { information: { self: testSigner("the relay").publicKey } },
    });
    await world.start();
    await connected(world);
    await world.until("it is found out", () => world.status("alias.example") === undefined && alias.heard.length > 0);
    await world.advance(30 * minuteMs);
    expect(world.network.attempts.filter(({ url }) => url === alias.url)).toHaveLength(1);
    expect(world.status("alias.example")).toBeUndefined();
  }));

test("GR-093 GR-241 what an announcement or a conversation with an end asked for is dropped when it ends, without a restart", () =>
  simulate({}, async (world) => {
    const shop = shopOf(world, [host], { roots: 2 });
    const market = shopOf(world, ["other.example"], { name: "market", roots: 2 });
    world.addPeer(host, { events: shop.events });
    world.addPeer("other.example", { events: market.events });
    await world.start();
    const nowSeconds = Math.floor(world.clock.nowMs() / 1_000);
    const endsIn = (seconds: number, { kind, created_at, content, tags }: VerifiedEvent): VerifiedEvent =>
      signEvent(market.owner, {
        kind,
        created_at,
        content,
        tags: [...tags, ["expiration", String(nowSeconds + seconds)]],
      });
    const ending = endsIn(600, market.announcement);
    await world.publish(shop.announcement, ending);
    await connected(world);
    await connected(world, "other.example");
    const [root] = shop.roots;
    if (!root) throw new Error("the shop has no conversation");
    const question = endsIn(300, root);
    await world.publish(question);
    await world.until("it is asked about", () => world.snapshot(host).rootEvents.includes(question.id));
    const wantedBefore = world.snapshot(host).wanted.rootEvents;

    await world.advance(301_000);
    expect(world.snapshot(host).wanted.rootEvents).toBe(wantedBefore - 1);
    expect(world.status("other.example")).toBe("connected");
    // The announcement ends 600 s after the start; its peer is left a minute later.
    await world.until("the peer is left", () => world.status("other.example") === undefined);
    const leftAfterS = world.clock.nowMs() / 1_000 - nowSeconds;
    expect(leftAfterS).toBeGreaterThanOrEqual(660);
    expect(leftAfterS).toBeLessThanOrEqual(670);
    expect(world.status(host)).toBe("connected");
  }));
