import { createVirtualClock } from "@signalbox/kernel";
import { createItemSetBuilder, createNegentropyInitiator, readNegentropyHex } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import { readPeerUrl } from "../../peers/peer-url.js";
import { PeerConnectError, type PeerFailure, type PeerSocket, type PeerUrl } from "../../sync/ports.js";
import { createScriptedPeer, type PeerBehaviour } from "./scripted-peer.js";
import { createSeededRandom } from "./seeded-random.js";
import { createVirtualNetwork } from "./virtual-network.js";

const author = testSigner("an author");
const events = Array.from({ length: 20 }, (_, index) =>
  signEvent(author, { created_at: 1_767_000_000 + Math.floor(index / 3), content: `${index}` }),
);
const address = urlOf("wss://peer.example");

function urlOf(text: string): PeerUrl {
  const url = readPeerUrl(text);
  if (!url) throw new Error(`${text} names no peer`);
  return url;
}

function createWorld(behaviour: Partial<PeerBehaviour> = {}, seed = 1) {
  const clock = createVirtualClock();
  const random = createSeededRandom(seed);
  const network = createVirtualNetwork({ clock, random: random.fork("network") });
  const peer = createScriptedPeer({ url: address, clock, random: random.fork("peer"), events, behaviour });
  network.add(address, peer);
  const received: unknown[][] = [];
  const closed: (PeerFailure | null)[] = [];
  const open = (timeoutMs = 5_000): Promise<PeerSocket> =>
    network.open(
      address,
      { onMessage: (text) => received.push(JSON.parse(text)), onClose: (failure) => closed.push(failure) },
      { timeoutMs, signal: new AbortController().signal },
    );
  return {
    clock,
    network,
    peer,
    received,
    closed,
    open,
    async connect(): Promise<PeerSocket> {
      const opening = open();
      await clock.advanceBy(5_000);
      return opening;
    },
    verbs: () => received.map(([verb]) => verb),
  };
}

test("a scripted peer answers a request in the order of relays and then follows it live", async () => {
  const world = createWorld();
  const socket = await world.connect();
  socket.send(JSON.stringify(["REQ", "a", { kinds: [1], limit: 5 }]));
  await world.clock.advanceBy(1_000);
  expect(world.verbs()).toEqual(["EVENT", "EVENT", "EVENT", "EVENT", "EVENT", "EOSE"]);
  expect(world.received.slice(0, 5).map(([, , event]) => event)).toEqual(newestFirst(world).slice(0, 5));
  expect(world.received.at(-1)).toEqual(["EOSE", "a", ["more"]]);

  const later = signEvent(author, { created_at: 1_767_000_100, content: "later" });
  world.peer.publish(later);
  await world.clock.advanceBy(1_000);
  expect(world.received.at(-1)).toEqual(["EVENT", "a", later]);

  socket.send(JSON.stringify(["CLOSE", "a"]));
  await world.clock.advanceBy(1_000);
  world.peer.publish(signEvent(author, { created_at: 1_767_000_200 }));
  await world.clock.advanceBy(1_000);
  expect(world.received.at(-1)).toEqual(["EVENT", "a", later]);
  expect(world.peer.requests("historic").map(({ filters }) => filters)).toEqual([[{ kinds: [1], limit: 5 }]]);
});

test("a scripted peer reconciles, withholds what it is told to and refuses sets that are too large", async () => {
  const [withheld] = events;
  const world = createWorld({ withheld: new Set([withheld?.id ?? ""]) });
  const socket = await world.connect();
  const initiator = createNegentropyInitiator(createItemSetBuilder().seal());
  const reconcile = async (): Promise<readonly string[]> => {
    const open = Buffer.from(initiator.open()).toString("hex");
    socket.send(JSON.stringify(["NEG-OPEN", "n", { kinds: [1] }, open]));
    await world.clock.advanceBy(1_000);
    const [verb, , message] = world.received.at(-1) ?? [];
    return verb === "NEG-MSG" ? initiator.receive(readNegentropyHex(String(message))).need : [];
  };
  expect([...(await reconcile())].sort()).toEqual(events.map(({ id }) => id).sort());

  socket.send(JSON.stringify(["REQ", "b", { ids: events.map(({ id }) => id) }]));
  await world.clock.advanceBy(1_000);
  expect(world.received.filter(([verb]) => verb === "EVENT")).toHaveLength(19);

  world.peer.behaviour.negentropyMaxRecords = 5;
  await reconcile();
  expect(world.received.at(-1)).toEqual(["NEG-ERR", "n", "blocked: too many query results", 5]);
});

test.each([
  { name: "NOTICE", behaviour: { negentropy: "notice" }, answer: ["NOTICE"] },
  { name: "NEG-ERR", behaviour: { negentropy: "error" }, answer: ["NEG-ERR", "n"] },
  { name: "CLOSED", behaviour: { negentropy: "closed" }, answer: ["CLOSED", "n"] },
  { name: "nothing", behaviour: { negentropy: "silent" }, answer: undefined },
  { name: "nothing at all", behaviour: { isSilent: true }, answer: undefined },
  { name: "another version", behaviour: { negentropy: "version" }, answer: ["NEG-MSG", "n", "62"] },
] satisfies readonly { name: string; behaviour: Partial<PeerBehaviour>; answer: readonly unknown[] | undefined }[])(
  "a scripted peer answers a reconciliation with $name",
  async ({ behaviour, answer }) => {
    const world = createWorld(behaviour);
    const socket = await world.connect();
    socket.send(JSON.stringify(["NEG-OPEN", "n", { kinds: [1] }, "6100000200"]));
    await world.clock.advanceBy(30_000);
    expect(world.received.at(-1)?.slice(0, answer?.length)).toEqual(answer);
  },
);

test("a scripted peer limits the rate, caps pages and ends connections when it is told to", async () => {
  const world = createWorld({ pageCap: 3, givesHints: false, requestsPerMinute: 2, breaksAfter: 9 });
  const socket = await world.connect();
  const ask = async (): Promise<void> => {
    socket.send(JSON.stringify(["REQ", "a", { kinds: [1] }]));
    await world.clock.advanceBy(1_000);
  };
  await ask();
  expect(world.received.at(-1)).toEqual(["EOSE", "a"]);
  expect(world.received).toHaveLength(4);
  await ask();
  await ask();
  expect(world.received.at(-1)).toEqual(["CLOSED", "a", "rate-limited: slow down"]);
  await world.clock.advanceBy(60_000);
  await ask();
  expect(world.received).toHaveLength(9);
  expect(world.closed).toEqual([expect.objectContaining({ kind: "lost" })]);
});

test("a scripted peer that asks for authentication believes only the right answer", async () => {
  const world = createWorld({ asksForAuth: true });
  const socket = await world.connect();
  const [[, challenge] = []] = world.received;
  socket.send(JSON.stringify(["REQ", "a", { limit: 1 }]));
  await world.clock.advanceBy(1_000);
  expect(world.received.at(-1)).toEqual(["CLOSED", "a", "auth-required: who are you?"]);
  for (const [relay, believed] of [
    ["wss://other.example", false],
    [address, true],
  ] as const) {
    const auth = author.sign({
      kind: 22_242,
      created_at: 1_767_225_600,
      tags: [
        ["relay", relay],
        ["challenge", String(challenge)],
      ],
      content: "",
    });
    socket.send(JSON.stringify(["AUTH", auth]));
    await world.clock.advanceBy(1_000);
    expect(world.received.at(-1)?.slice(0, 3)).toEqual(["OK", auth.id, believed]);
  }
  socket.send(JSON.stringify(["REQ", "a", { limit: 1 }]));
  await world.clock.advanceBy(1_000);
  expect(world.verbs().slice(-2)).toEqual(["EVENT", "EOSE"]);
});

test("hosts that are down, slow or unknown fail an attempt as such", async () => {
  const world = createWorld();
  const failure = async (): Promise<string> => {
    const opening = world.open().then(
      () => "open",
      (error: unknown) => (error instanceof PeerConnectError ? error.failure.kind : String(error)),
    );
    await world.clock.advanceBy(10_000);
    return opening;
  };
  expect(await failure()).toBe("open");
  world.peer.goDown();
  expect(world.closed).toEqual([expect.objectContaining({ kind: "lost" })]);
  expect(await failure()).toBe("refused");
  world.peer.comeBack();
  world.peer.behaviour.handshakeMs = 5_001;
  expect(await failure()).toBe("timeout");
  world.peer.behaviour.handshake = "never";
  expect(await failure()).toBe("timeout");
  world.network.remove(address);
  expect(await failure()).toBe("dns");
  expect(world.network.attempts).toHaveLength(5);
});

test("a connection that is not read keeps what comes until it is, in order", async () => {
  const world = createWorld();
  const socket = await world.connect();
  socket.pause();
  socket.send(JSON.stringify(["REQ", "a", { limit: 3 }]));
  await world.clock.advanceBy(60_000);
  expect(world.received).toEqual([]);
  socket.resume();
  await world.clock.advanceBy(1_000);
  expect(world.verbs()).toEqual(["EVENT", "EVENT", "EVENT", "EOSE"]);
});

test("a seed gives the same run each time, and another one a different run", async () => {
  const run = async (seed: number): Promise<string> => {
    const world = createWorld({ isUntidy: true }, seed);
    const socket = await world.connect();
    socket.send(JSON.stringify(["REQ", "a", { kinds: [1] }]));
    const seen: string[] = [];
    for (let step = 0; step < 100; step++) {
      await world.clock.advanceBy(1);
      seen.push(String(world.received.length));
    }
    return `${seen.join()} ${JSON.stringify(world.received)}`;
  };
  expect(await run(7)).toBe(await run(7));
  expect(await run(7)).not.toBe(await run(8));
});

function newestFirst(world: ReturnType<typeof createWorld>) {
  return world.peer.stored.query({ tags: new Map() });
}
