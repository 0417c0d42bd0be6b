import { describe, expect, test } from "vitest";
import { makeNoise, makeRepository } from "../../testing/simulation/git-world.js";
import type { PeerBehaviour } from "../../testing/simulation/scripted-peer.js";
import { ourDomain, type Simulation, simulate } from "../../testing/simulation/simulation.js";

const host = "peer.example";
const spring = Date.UTC(2025, 3, 1) / 1_000;

function shopOf(
  { random }: Simulation,
  options: { roots?: number; domains?: readonly string[]; name?: string; from?: number } = {},
) {
  const { roots = 6, domains = [ourDomain, host], name = "shop", from = spring } = options;
  return makeRepository({ random: random.fork(name), name, domains, roots, from });
}

const idsOf = (events: readonly { readonly id: string }[]): string[] => events.map(({ id }) => id).sort();
const storedIds = async (world: Simulation): Promise<string[]> => [...(await world.storedIds())].sort();
const connected = (world: Simulation, peer = host) =>
  world.until(`${peer} is in sync`, () => world.status(peer) === "connected");

describe("a first sync", () => {
  test("GR-230 GR-231 GR-232 GR-233 GR-238 GR-260 GR-261 GR-262 GR-263 walks from disconnected to connected, layer by layer", () =>
    simulate({ bootstrap: [host] }, async (world) => {
      const shop = shopOf(world);
      const peer = world.addPeer(host, { events: [...shop.events, ...makeNoise(world.random, 20)] });
      await world.start();
      await connected(world);
      expect(world.log.walk(peer.url)).toEqual(["disconnected", "connecting", "syncing", "connected"]);
      expect(await storedIds(world)).toEqual(idsOf(shop.events));
      const layers = world.log.batches.map(({ layer }) => layer);
      expect([...new Set(layers)]).toEqual(["announcements", "states", "repositories", "roots"]);
      // The last layer was known only when the one before it had come and been looked at.
      const snapshot = world.snapshot(host);
      expect(snapshot.historicSyncCompleted).toBe(true);
      expect(snapshot.repos).toEqual([shop.address]);
      expect([...snapshot.rootEvents].sort()).toEqual(idsOf(shop.roots));
    }));

  test("GR-238 a peer whose events another one sent first is in sync when its own last layer is, not before", () =>
    simulate({ bootstrap: [host, "other.example"] }, async (world) => {
      const shop = shopOf(world, { domains: [ourDomain, host, "other.example"] });
      world.addPeer(host, { events: shop.events, behaviour: { answerMs: 200 } });
      world.addPeer("other.example", { events: [shop.announcement] });
      await world.start();
      await connected(world);
      expect(await storedIds(world)).toEqual(idsOf(shop.events));
      expect(world.snapshot(host).repos).toEqual([shop.address]);
    }));

  test("GR-264 each filter is followed live before its history is asked for, and the history is closed at its end", () =>
    simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
      const peer = world.addPeer(host, { events: shopOf(world).events });
      await world.start();
      await connected(world);
      await world.advance(1_000);
      const key = (filter: object): string => JSON.stringify({ ...filter, limit: undefined, until: undefined });
      const asked = peer.requests();
      const live = new Map<string, number>();
      for (const [place, { filters }] of asked.entries())
        for (const filter of filters) if (filter["limit"] === 0 && !live.has(key(filter))) live.set(key(filter), place);
      const historic = asked.flatMap(({ filters }, place) =>
        filters.flatMap((filter) =>
          filter["limit"] === undefined ? [{ place, followedAt: live.get(key(filter)) ?? Number.NaN }] : [],
        ),
      );
      expect(historic.length).toBeGreaterThan(7);
      expect(historic.filter(({ place, followedAt }) => !(followedAt < place))).toEqual([]);
      // Only those that follow are open.
      expect(peer.openSubscriptions).toBe(world.snapshot(host).liveSubscriptions);
    }));

  test("GR-268 GR-271 peers that announcements name are found, also by one that was found before, and what they have is fetched", () =>
    simulate({ bootstrap: ["first.example"] }, async (world) => {
      const shop = shopOf(world, { name: "shop", domains: [ourDomain, "first.example", "second.example"] });
      const mill = shopOf(world, { name: "mill", domains: [ourDomain, "second.example", "third.example"] });
      world.addPeer("first.example", { events: [shop.announcement] });
      world.addPeer("second.example", { events: [...shop.events, mill.announcement] });
      world.addPeer("third.example", { events: mill.events });
      await world.start();
      for (const peer of ["first.example", "second.example", "third.example"]) await connected(world, peer);
      await world.until(
        "everything is here",
        async () => (await world.storedIds()).size === shop.events.length + mill.events.length,
      );
      expect(await storedIds(world)).toEqual(idsOf([...shop.events, ...mill.events]));
    }));

  test("GR-240 GR-237 a peer that cannot be reached at start is tried again until it can be", () =>
    simulate({ bootstrap: [host] }, async (world) => {
      const shop = shopOf(world);
      const peer = world.addPeer(host, { events: shop.events });
      peer.goDown();
      await world.start();
      await world.advance(20 * 60_000);
      expect(world.status(host)).toBe("disconnected");
      expect(world.snapshot(host).failures).toBeGreaterThan(5);
      peer.comeBack();
      await world.until("it is back", () => world.status(host) === "connected", { withinMs: 3_600_000 });
      expect(await storedIds(world)).toEqual(idsOf(shop.events));
      const results = world.log.attempts.map(({ result }) => result);
      expect(results.at(-1)).toBe("success");
      expect(results.slice(0, -1).every((result) => result === "failure")).toBe(true);
      expect(world.network.attempts).toHaveLength(results.length);
    }));

  test("GR-240 a peer that never ends its answers stays in sync state; nothing of it is taken for complete", () =>
    simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
      const shop = shopOf(world);
      const peer = world.addPeer(host, { events: shop.events, behaviour: { sendsEose: false } });
      await world.start();
      await world.advance(9 * 60_000);
      expect(world.log.walk(peer.url)).toEqual(["disconnected", "connecting", "syncing"]);
      expect(world.log.batches).toEqual([]);
      const announcements = () =>
        peer
          .requests("historic")
          .filter(({ filters }) => filters[0]?.["#d"] === undefined && filters[0]?.["kinds"] !== undefined);
      expect(announcements()).toHaveLength(1);
      // Asked again after ten minutes of silence, three times; then the batch has failed, and is tried again later.
      await world.advance(32 * 60_000);
      expect(announcements()).toHaveLength(4);
      expect(world.status(host)).toBe("syncing");
      peer.behaviour.sendsEose = true;
      await world.until("it answered in the end", () => world.status(host) === "connected", {
        withinMs: 6 * 3_600_000,
      });
      expect(await storedIds(world)).toEqual(idsOf(shop.events));
    }));

  test("GR-234 GR-300 a batch that fails again and again is given up, and tried again with everything else in place", () =>
    simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
      const shop = shopOf(world);
      const peer = world.addPeer(host, { events: shop.events, behaviour: { maxFilterValues: 0 } });
      await world.start();
      await world.until("it failed for good", () => world.status(host) === "connected_with_failures", {
        withinMs: 3_600_000,
      });
      expect(world.log.batches.filter(({ result }) => result === "failed")).not.toEqual([]);
      expect(world.snapshot(host).historicSyncHadFailures).toBe(true);
      peer.behaviour.maxFilterValues = 1_000;
      const took = await world.until("the failure is gone", () => world.status(host) === "connected", {
        withinMs: 2 * 3_600_000,
      });
      expect(took).toBeGreaterThan(3_500_000);
      await world.until("everything is here", async () => (await world.storedIds()).size === shop.events.length);
    }));

  test("what has failed for good is fetched at once when that is asked for", () =>
    simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
      const shop = shopOf(world);
      const peer = world.addPeer(host, { events: shop.events, behaviour: { maxFilterValues: 0 } });
      await world.start();
      await world.until("it failed for good", () => world.status(host) === "connected_with_failures", {
        withinMs: 3_600_000,
      });
      peer.behaviour.maxFilterValues = 1_000;
      expect(world.engine.retry(peer.url)).toBe("fetch");
      expect(world.engine.retry(peer.url)).toBe("nothing");
      await world.until("the failure is gone", () => world.status(host) === "connected", { withinMs: 300_000 });
    }));

  test("GR-241 a peer that no announcement names any more is closed and forgotten a minute later; a bootstrap relay stays", () =>
    simulate({ bootstrap: [host] }, async (world) => {
      const other = "other.example";
      const shop = shopOf(world, { domains: [ourDomain, host, other] });
      const peer = world.addPeer(host, { events: shop.events });
      const pruned = world.addPeer(other, { events: shop.events });
      await world.start();
      for (const each of [host, other]) await connected(world, each);
      const moved = makeRepository({
        random: world.random.fork("moved"),
        name: "shop",
        domains: [ourDomain],
        from: Date.UTC(2025, 10, 1) / 1_000,
        roots: 0,
      });
      peer.publish(moved.announcement);
      const took = await world.until("it is forgotten", () => world.status(other) === undefined);
      expect(took).toBeGreaterThan(60_000);
      expect(took).toBeLessThan(75_000);
      expect(world.log.walk(pruned.url).slice(-2)).toEqual(["connected", "disconnecting"]);
      expect(world.status(host)).toBe("connected");
      await world.advance(300_000);
      expect(world.network.attempts.filter(({ url }) => url === pruned.url)).toHaveLength(1);
    }));

  test("GR-300 a failed batch is tried again after one, five and thirty minutes, and is then given up", () =>
    simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
      const shop = shopOf(world);
      const peer = world.addPeer(host, { events: shop.events, behaviour: { maxFilterValues: 0 } });
      await world.start();
      await world.until("it failed for good", () => world.status(host) === "connected_with_failures", {
        withinMs: 3_600_000,
      });
      const times = peer.requests("historic").map(({ atMs }) => atMs);
      const waits = times.slice(1).map((atMs, index) => Math.round((atMs - (times[index] ?? 0)) / 1_000));
      expect(waits).toEqual([60, 300, 1_800]);
      expect(world.snapshot(host).repos).toEqual([]);
    }));

  test("GR-243 a peer that goes on asking who we are is told once for each challenge, and what it refuses fails", () =>
    simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
      const peer = world.addPeer(host, {
        events: shopOf(world).events,
        behaviour: { asksForAuth: true, knowsNobody: true },
      });
      await world.start();
      await world.until("it failed for good", () => world.status(host) === "connected_with_failures", {
        withinMs: 2 * 3_600_000,
      });
      expect(peer.heard.filter(({ message }) => message[0] === "AUTH")).toHaveLength(1);
      // Once as it is and once after the proof, for each of four tries.
      expect(peer.requests("historic")).toHaveLength(8);
      expect(world.log.batches).toMatchObject([{ layer: "announcements", result: "failed" }]);
      expect(world.snapshot(host).announcementsSynced).toBe(false);
    }));

  test("GR-243 a peer that asks who we are is told once, and asked again", () =>
    simulate({ bootstrap: [host] }, async (world) => {
      const shop = shopOf(world);
      const peer = world.addPeer(host, { events: shop.events, behaviour: { asksForAuth: true } });
      await world.start();
      await connected(world);
      expect(await storedIds(world)).toEqual(idsOf(shop.events));
      expect(peer.heard.filter(({ message }) => message[0] === "AUTH")).toHaveLength(1);
    }));
});

describe("history", () => {
  const everything = async (behaviour: Partial<PeerBehaviour>, check?: (world: Simulation) => Promise<void> | void) =>
    simulate({ bootstrap: [host] }, async (world) => {
      const shop = shopOf(world, { roots: 40 });
      world.addPeer(host, { events: shop.events, behaviour });
      await world.start();
      await connected(world);
      expect(await storedIds(world)).toEqual(idsOf(shop.events));
      expect(world.log.synced).toBe(shop.events.length);
      await check?.(world);
    });
  const methods = (world: Simulation) => new Set(world.log.batches.map(({ method }) => method));

  test("GR-290 GR-450 is reconciled, whatever the peer says of itself, and proven by a second look", () =>
    everything({ information: null }, (world) => {
      expect(methods(world)).toEqual(new Set(["negentropy"]));
      const { certificates } = world.log;
      expect(certificates.map(({ layer }) => layer).sort()).toEqual([
        "announcements",
        "repositories",
        "roots",
        "states",
      ]);
      for (const { certificate } of certificates)
        expect(certificate).toMatchObject({ proof: "negentropy", complete: true, missingHere: 0, remoteMissing: 0 });
    }));

  test.each([
    { name: "is silent", negentropy: "silent" },
    { name: "says so in a NOTICE", negentropy: "notice" },
    { name: "says so in a NEG-ERR", negentropy: "error" },
    { name: "ends the session", negentropy: "closed" },
    { name: "answers nonsense", negentropy: "garbage" },
    { name: "knows another version only", negentropy: "version" },
  ] as const)(
    "GR-293 is read in pages when the peer cannot reconcile and $name; for a day it is not asked again",
    ({ negentropy }) =>
      everything({ negentropy }, async (world) => {
        expect(methods(world)).toEqual(new Set(["req_eose"]));
        const { negentropyUnsupportedUntil, negentropyUnsupportedReason } = world.snapshot(host);
        const markedMs = (negentropyUnsupportedUntil ?? 0) - 24 * 3_600_000;
        expect(markedMs).toBeGreaterThan(world.clock.nowMs() - 60_000);
        expect(markedMs).toBeLessThanOrEqual(world.clock.nowMs());
        expect(negentropyUnsupportedReason).not.toBe("");
        for (const { certificate } of world.log.certificates)
          expect(certificate).toMatchObject({ proof: "pages", complete: true });
      }),
  );

  test("GR-295 is reconciled in parts of the time when the peer finds it too large", () =>
    everything({ negentropyMaxRecords: 15 }, (world) => {
      expect(methods(world)).toEqual(new Set(["negentropy"]));
    }));

  test("GR-294 GR-292 ids that the peer claims to have and does not give are asked for once more, then not for a day", () =>
    simulate({ bootstrap: [host] }, async (world) => {
      const shop = shopOf(world, { roots: 10 });
      const withheld = shop.roots.slice(0, 2).map(({ id }) => id);
      const peer = world.addPeer(host, { events: shop.events, behaviour: { withheld: new Set(withheld) } });
      await world.start();
      await connected(world);
      const requested = (id: string): number =>
        peer.requests("ids").filter(({ filters }) => JSON.stringify(filters).includes(id)).length;
      expect(withheld.map(requested)).toEqual([2, 2]);
      expect((await world.storedIds()).has(withheld[0] ?? "")).toBe(false);
      expect(world.log.certificates.find(({ layer }) => layer === "repositories")?.certificate.excluded.refused).toBe(
        2,
      );
      expect(world.snapshot(host).negentropyUnsupportedUntil).toBeNull();
      world.engine.repair(peer.url);
      await world.until("it syncs anew", () => world.status(host) === "connected");
      expect(withheld.map(requested)).toEqual([4, 4]);
      peer.behaviour.withheld.clear();
      await world.until("they came in the end", async () => (await world.storedIds()).size === shop.events.length, {
        withinMs: 30 * 3_600_000,
        everyMs: 3_600_000,
      });
    }));

  test("GR-290 GR-292 events that are refused here do not end the ability of a peer to reconcile", () =>
    simulate({ bootstrap: [host] }, async (world) => {
      const peer = world.addPeer(host, { events: makeNoise(world.random, 50) });
      await world.start();
      await connected(world);
      expect(await storedIds(world)).toEqual([]);
      expect(world.snapshot(host).negentropyUnsupportedUntil).toBeNull();
      expect(world.log.received("rejected", peer.url)).toBeGreaterThan(10);
      // They are remembered: a second sync does not download them.
      const before = world.log.received("rejected", peer.url);
      await world.restart();
      await connected(world);
      expect(world.log.received("rejected", peer.url)).toBe(before);
    }));

  test.each([
    { name: "with hints", behaviour: { givesHints: true, pageCap: 10 } },
    { name: "without hints", behaviour: { givesHints: false, pageCap: 80 } },
    { name: "with a stated limit", behaviour: { givesHints: false, pageCap: 20, information: { maxLimit: 20 } } },
    { name: "in no order and with repetitions", behaviour: { givesHints: false, pageCap: 80, isUntidy: true } },
  ] satisfies readonly { name: string; behaviour: Partial<PeerBehaviour> }[])(
    "GR-296 is read to its end from a peer that cuts its answers $name",
    ({ behaviour }) =>
      everything({ negentropy: "error", ...behaviour }, (world) => {
        expect(world.snapshot(host).certificates.repositories).toMatchObject({ proof: "pages", complete: true });
      }),
  );

  test("GR-297 a peer that cuts its answers silently is found out by one further page", () =>
    simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
      const shops = Array.from({ length: 60 }, (_, index) =>
        shopOf(world, { name: `shop-${index}`, roots: 0, from: spring + 3_600 * index }),
      );
      world.addPeer(host, {
        events: shops.flatMap(({ events }) => events),
        behaviour: { pageCap: 25, givesHints: false },
      });
      await world.start();
      await connected(world);
      expect(await storedIds(world)).toEqual(idsOf(shops.flatMap(({ events }) => events)));
    }));

  test("GR-298 a burst within one second larger than a page ends, and what cannot be proven is not claimed", () =>
    simulate({ bootstrap: [host], config: { negentropy: false } }, async (world) => {
      const shop = shopOf(world, { roots: 0 });
      const second = Date.UTC(2025, 10, 5) / 1_000;
      const burst = makeRepository({
        random: world.random.fork("burst"),
        name: "shop",
        domains: [ourDomain, host],
        roots: 200,
        replies: 0,
        from: second,
        until: second,
      });
      const events = [...shop.events, ...burst.roots];
      const peer = world.addPeer(host, { events, behaviour: { pageCap: 100, givesHints: false } });
      await world.start();
      await connected(world);
      const asked = peer.requests("historic").flatMap(({ filters }) => filters);
      expect(asked).toContainEqual({ "#a": [shop.address], since: second, until: second, limit: 5_000 });
      expect(asked.some((filter) => filter["until"] === second - 1)).toBe(true);
      // A page of one second is all that this peer gives of it.
      expect((await world.storedIds()).size).toBe(shop.events.length + 100);
      expect(world.snapshot(host).certificates.repositories).toMatchObject({
        complete: false,
        incompleteReason: "saturated_second",
      });
    }));

  test("GR-264 a peer that takes only small filters gets smaller ones", () =>
    simulate({ bootstrap: [host] }, async (world) => {
      const shops = Array.from({ length: 70 }, (_, index) => shopOf(world, { name: `shop-${index}`, roots: 1 }));
      const peer = world.addPeer(host, {
        events: shops.flatMap(({ events }) => events),
        behaviour: { maxFilterValues: 20, negentropy: "error" },
      });
      await world.start();
      await connected(world);
      await world.advance(1_000);
      expect(await storedIds(world)).toEqual(idsOf(shops.flatMap(({ events }) => events)));
      // It follows all of them, too.
      const news = shops.map((shop) =>
        makeRepository({ random: world.random.fork("news"), name: shop.identifier, domains: [], roots: 2 }),
      );
      const later = news.flatMap(({ roots }) => roots);
      peer.publish(...later);
      await world.advance(10_000);
      const stored = await world.storedIds();
      expect(later.filter(({ id }) => !stored.has(id))).toEqual([]);
    }));
});
