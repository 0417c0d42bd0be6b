import { createHttpServer, createStreamHub, HttpProblem, type Principal, type StreamTopic } from "@signalbox/http";
import { createVirtualClock } from "@signalbox/kernel";
import { afterEach, expect, test, vi } from "vitest";
import { startTestRelay } from "../testing/start-relay.js";
import { testPeer } from "../testing/test-peer.js";
import { createPeerAnnouncer } from "./announce-peers.js";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Message {
  readonly type: string;
  readonly url: string;
  readonly peer: { readonly status: string; readonly health: string } | null;
}

/** The topic on a real server, with somebody who listens to it. */
async function listenToPeers(): Promise<{ readonly topic: StreamTopic; readonly messages: readonly Message[] }> {
  const hub = createStreamHub();
  const topic = hub.addTopic("relay.peers", { scope: "relay:read" });
  const app = await createHttpServer({
    rateLimits: false,
    authenticator: {
      async authenticate(token): Promise<Principal> {
        if (token !== "reader") throw new HttpProblem("invalid_token");
        const scopes = new Set(["relay:read" as const]);
        return { subject: token, issuer: "signalbox", scopes, tokenId: "1", expiresAtMs: Number.MAX_SAFE_INTEGER };
      },
      isVerified: () => false,
    },
  });
  await app.register(hub.plugin);
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  ends.push(() => app.close());
  const abort = new AbortController();
  ends.push(() => abort.abort());
  const response = await fetch(`${url}/api/v1/stream?topics=relay.peers`, {
    headers: { authorization: "Bearer reader" },
    signal: abort.signal,
  });
  const messages: Message[] = [];
  const read = async (): Promise<void> => {
    let text = "";
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith('data: {"type"')) messages.push(JSON.parse(line.slice(6)));
    }
  };
  read().catch(() => {});
  await vi.waitFor(() => expect(topic.isListenedTo).toBe(true));
  return { topic, messages };
}

test("live pages hear how a peer is reached, and that it is gone", async () => {
  const { topic, messages } = await listenToPeers();
  const source = await startTestRelay({ name: "the source" });
  ends.push(() => source.destroy());
  const relay = await startTestRelay({
    peersTopic: topic,
    relay: { sync: { enabled: true, allow_private_targets: true, bootstrap_relays: [source.url] } },
  });
  ends.push(() => relay.destroy());
  await expect.poll(() => messages.at(-1)?.peer?.status).toBe("connected");
  expect(messages.at(-1)).toMatchObject({ type: "relay.peer_changed", url: source.url, peer: { health: "healthy" } });
  await relay.relay.sync?.engine.forget(testPeer(source.url));
  await expect.poll(() => messages.at(-1)).toEqual({ type: "relay.peer_changed", url: source.url, peer: null });
});

test("many changes become ten messages a second, each with the newest state", async () => {
  const { topic, messages } = await listenToPeers();
  const clock = createVirtualClock();
  let found = 0;
  const { observer, service } = createPeerAnnouncer({
    topic,
    clock,
    find() {
      found++;
      return null;
    },
  });
  await service.start();
  const peers = Array.from({ length: 30 }, (_, index) => testPeer(`wss://peer${index}.example`));
  for (let round = 0; round < 20; round++)
    for (const peer of peers) observer.transition?.(peer, "connecting", "syncing", "test", round);
  expect(found).toBe(0);
  await clock.advanceBy(1_000);
  await expect.poll(() => messages.length).toBe(10);
  await clock.advanceBy(10_000);
  await expect.poll(() => messages.length).toBe(30);
  expect(new Set(messages.map(({ url }) => url))).toEqual(new Set(peers));
  await service.stop();
  observer.transition?.(testPeer("wss://late.example"), "connecting", "syncing", "test", 0);
  expect(clock.nextTimerMs()).toBeUndefined();
});

test("while nobody listens, nothing is looked up", async () => {
  const topic = createStreamHub().addTopic("relay.peers", { scope: "relay:read" });
  const clock = createVirtualClock();
  const { observer } = createPeerAnnouncer({ topic, clock, find: () => expect.fail("it is looked up") });
  observer.registered?.(testPeer("wss://peer.example"));
  await clock.advanceBy(1_000);
});
