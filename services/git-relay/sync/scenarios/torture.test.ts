import { isNewerVersion, kinds, type VerifiedEvent } from "@signalbox/nostr";
import { repositoryTag, signState, testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import {
  makeNoise,
  makeReply,
  makeRepository,
  makeRoot,
  type WorldRepository,
} from "../../testing/simulation/git-world.js";
import type { NegentropyBehaviour, PeerBehaviour, ScriptedPeer } from "../../testing/simulation/scripted-peer.js";
import type { SeededRandom } from "../../testing/simulation/seeded-random.js";
import { ourDomain, simulate } from "../../testing/simulation/simulation.js";

// Peers that misbehave in every way at any time. `SYNC_SEEDS=500` runs more seeds, `SYNC_SEED=17` one.

const one = process.env["SYNC_SEED"];
const seeds =
  one === undefined
    ? Array.from({ length: Number(process.env["SYNC_SEEDS"] ?? 8) }, (_, index) => index + 1)
    : [Number(one)];

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const waysToReconcile: readonly NegentropyBehaviour[] = [
  "works",
  "works",
  "works",
  "silent",
  "notice",
  "error",
  "closed",
  "garbage",
  "version",
];

function misbehave(random: SeededRandom, behaviour: PeerBehaviour, ids: readonly string[]): void {
  behaviour.handshake = random.chance(0.9) ? "open" : "never";
  behaviour.handshakeMs = random.chance(0.9) ? random.between(1, 2_000) : random.between(2_000, 9_000);
  behaviour.answerMs = random.chance(0.8) ? random.between(0, 50) : random.between(50, 20_000);
  behaviour.isSilent = random.chance(0.07);
  behaviour.onlyNotice = random.chance(0.07)
    ? random.pick(["slow down", "ERROR: bad message", "restarting soon"])
    : undefined;
  behaviour.sendsEose = random.chance(0.9);
  behaviour.pageCap = random.pick([7, 30, 75, 100, 500]);
  behaviour.givesHints = random.chance(0.4);
  behaviour.isUntidy = random.chance(0.4);
  behaviour.negentropy = random.pick(waysToReconcile);
  behaviour.negentropyMaxRecords = random.chance(0.2) ? random.between(3, 40) : Number.POSITIVE_INFINITY;
  behaviour.maxFilterValues = random.chance(0.2) ? random.between(10, 60) : Number.POSITIVE_INFINITY;
  behaviour.requestsPerMinute = random.chance(0.2) ? random.between(3, 30) : Number.POSITIVE_INFINITY;
  behaviour.rateLimitBy = random.pick(["closed", "notice"]);
  behaviour.asksForAuth = random.chance(0.15);
  behaviour.breaksAfter = random.chance(0.2) ? random.between(5, 200) : Number.POSITIVE_INFINITY;
  behaviour.withheld.clear();
  if (random.chance(0.2))
    for (let count = random.between(1, 10); count > 0; count--) behaviour.withheld.add(random.pick(ids));
}

function behaveWell(peer: ScriptedPeer): void {
  peer.comeBack();
  Object.assign(peer.behaviour, {
    handshake: "open",
    handshakeMs: 40,
    answerMs: 2,
    isSilent: false,
    onlyNotice: undefined,
    sendsEose: true,
    // Small answers without a word about it look complete, to anybody.
    givesHints: peer.behaviour.givesHints || peer.behaviour.pageCap < 75,
    negentropyMaxRecords: Number.POSITIVE_INFINITY,
    maxFilterValues: Number.POSITIVE_INFINITY,
    requestsPerMinute: Number.POSITIVE_INFINITY,
    asksForAuth: false,
    breaksAfter: Number.POSITIVE_INFINITY,
  } satisfies Partial<PeerBehaviour>);
  peer.behaviour.withheld.clear();
}

/** A new event somewhere in a repository, made now. */
function makeNews(random: SeededRandom, repository: WorldRepository, nowMs: number): VerifiedEvent {
  const createdAt = Math.floor(nowMs / 1_000);
  const author = testSigner(`late author ${random.below(3)}`);
  if (random.chance(0.2))
    return signState(
      repository.owner,
      repository.identifier,
      { HEAD: `ref: refs/heads/${random.below(1_000)}` },
      createdAt,
    );
  if (random.chance(0.4)) {
    const tag = repositoryTag(repository.owner, repository.identifier);
    return makeRoot(author, tag, { random, index: random.below(1_000_000), createdAt });
  }
  return makeReply(author, random.pick(repository.roots), repository.address, { random, createdAt });
}

test.each(seeds)(
  "GR-216 GR-217 GR-271 peers that misbehave lose and double nothing (seed %i)",
  { timeout: 120_000 },
  (seed) =>
    simulate({ seed, bootstrap: ["peer-0.example"] }, async (world) => {
      const random = world.random.fork("torture");
      const hosts = Array.from({ length: random.between(2, 5) }, (_, index) => `peer-${index}.example`);
      const repositories = Array.from({ length: random.between(1, 4) }, (_, index) => {
        const named = random.shuffled(hosts).slice(0, random.between(1, hosts.length));
        return makeRepository({
          random,
          name: `repository-${index}`,
          domains: [ourDomain, ...named],
          roots: random.between(1, 12),
        });
      });
      const peers = new Map(hosts.map((host) => [host, world.addPeer(host, { events: makeNoise(random, 10) })]));
      const expected = new Map<string, VerifiedEvent>();
      const put = (event: VerifiedEvent, repository: WorldRepository, publish: boolean): void => {
        if (event.kind === kinds.state) {
          const before = [...expected.values()].find(
            ({ kind, pubkey }) => kind === event.kind && pubkey === event.pubkey,
          );
          if (before && !isNewerVersion(event, before)) return;
          if (before) expected.delete(before.id);
        }
        expected.set(event.id, event);
        const named = hosts.filter((host) => repository.domains.includes(host));
        const holders = random.shuffled(named).slice(0, random.between(1, named.length));
        for (const host of holders) {
          const peer = peers.get(host);
          if (publish) peer?.publish(event);
          else peer?.stored.add(event);
        }
      };
      for (const repository of repositories) {
        for (const event of repository.events) put(event, repository, false);
        // Without this one nobody would know of the repository.
        peers.get("peer-0.example")?.stored.add(repository.announcement);
      }
      const savedOnce = new Map<string, number>();
      const countSaved = (): void => {
        world.intake.onSaved(({ event }) => savedOnce.set(event.id, (savedOnce.get(event.id) ?? 0) + 1));
      };
      countSaved();
      await world.start();

      for (let step = 0; step < 40; step++) {
        const peer = random.pick([...peers.values()]);
        const ids = [...expected.keys()];
        if (random.chance(0.5)) misbehave(random, peer.behaviour, ids);
        if (random.chance(0.2)) peer.cutConnections();
        if (random.chance(0.15)) peer.goDown();
        else if (random.chance(0.5)) peer.comeBack();
        if (random.chance(0.6)) {
          const repository = random.pick(repositories);
          put(makeNews(random, repository, world.clock.nowMs()), repository, true);
        }
        if (random.chance(0.03)) {
          await world.restart();
          countSaved();
        }
        await world.advance(random.chance(0.7) ? random.between(10, 60_000) : random.between(minuteMs, 40 * minuteMs));
      }

      for (const peer of peers.values()) behaveWell(peer);
      const missing = async (): Promise<VerifiedEvent[]> => {
        const stored = await world.storedIds();
        return [...expected.values()].filter(({ id }) => !stored.has(id));
      };
      for (let hours = 0; hours < 60 && (await missing()).length > 0; hours++) await world.advance(hourMs);
      expect((await missing()).map(({ id, kind }) => `${kind} ${id}`)).toEqual([]);

      // And by then each of them is followed.
      const isOpen = (host: string): boolean => world.status(host)?.startsWith("connected") ?? true;
      await world.until("all are in sync", () => hosts.every(isOpen), {
        withinMs: 50 * hourMs,
        everyMs: 10 * minuteMs,
      });
      await world.advance(2 * hourMs);
      for (const repository of repositories) put(makeNews(random, repository, world.clock.nowMs()), repository, true);
      await world.advance(10_000);
      expect((await missing()).map(({ id, kind }) => `${kind} ${id}`)).toEqual([]);
      const stored = await world.storedIds();
      expect([...stored].filter((id) => !expected.has(id))).toEqual([]);
      expect([...savedOnce].filter(([, times]) => times > 1)).toEqual([]);
    }),
);
