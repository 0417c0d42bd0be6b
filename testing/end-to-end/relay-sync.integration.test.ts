import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kinds, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterEach, expect, test } from "vitest";
import { makeConversation } from "../nostr/conversation.js";
import { startDelayingProxy } from "../nostr/delaying-proxy.js";
import { connectRelay, type RelayClient } from "../nostr/relay-client.js";
import { findFreePort } from "../servers/free-port.js";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "../servers/signalbox.js";

interface Instance {
  readonly host: string;
  readonly installation: SignalboxInstallation;
  server: SignalboxServer;
  client: RelayClient;
}

/** A name that leads nowhere: who is announced under it is reached through a proxy only. */
const source = "source.invalid";

const ending: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function host(): Promise<string> {
  return `127.0.0.1:${await findFreePort()}`;
}

async function startInstance(address: string, env: Readonly<Record<string, string>> = {}): Promise<Instance> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-sync-"));
  ending.push(() => rm(dataDirectory, { recursive: true, force: true }));
  const installation = await installSignalbox({
    dataDirectory,
    flags: ["--only", "relay"],
    env: {
      SIGNALBOX_RELAY_LISTEN: address,
      SIGNALBOX_RELAY_LIMITS_EVENTS_PER_MINUTE: "0",
      // The tests look again and again.
      SIGNALBOX_RELAY_LIMITS_REQUESTS_PER_MINUTE: "0",
      SIGNALBOX_RELAY_SYNC_ALLOW_PRIVATE_TARGETS: "true",
      // Each layer waits for the end of a window.
      SIGNALBOX_RELAY_SYNC_BATCH_WINDOW_MS: "500",
      SIGNALBOX_RELAY_SYNC_BASE_BACKOFF_S: "2",
      ...env,
    },
  });
  const server = await installation.start();
  const instance = { host: address, installation, server, client: await connectRelay(`ws://${address}`) };
  ending.push(() => instance.server.stop());
  ending.push(() => instance.client.close());
  return instance;
}

const count = async ({ client }: Instance): Promise<number> => (await client.query({})).length;

/** Value of `ngit_sync_relay_connected` for a peer; nothing when there is no such series. */
async function statusOf({ server }: Pick<Instance, "server">, relay: string): Promise<number | undefined> {
  const text = await (await fetch(`${server.metricsUrl}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`ngit_sync_relay_connected{relay="${relay}"}`));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

function issue(address: string, content: string): VerifiedEvent {
  const created_at = Math.floor(Date.now() / 1_000);
  return signEvent(testSigner("a reader"), { kind: kinds.issue, created_at, tags: [["a", address]], content });
}

test.each([
  { way: "by reconciliation", negentropy: "true" },
  { way: "in pages", negentropy: "false" },
])(
  "GR-271 GR-268 three servers that announcements name find each other, catch up $way and follow",
  async ({ negentropy }) => {
    const hosts = [await host(), await host(), await host()] as const;
    const settings = { SIGNALBOX_RELAY_SYNC_NEGENTROPY: negentropy };
    const conversations = ["shop", "mill", "ship"].map((identifier) =>
      makeConversation({ identifier, hosts, roots: 60 }),
    );
    const events = conversations.flatMap((conversation) => conversation.events);
    const a = await startInstance(hosts[0], settings);
    await a.client.publish(events);
    const bootstrap = { ...settings, SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: `ws://${a.host}` };
    const b = await startInstance(hosts[1], bootstrap);
    const c = await startInstance(hosts[2], bootstrap);

    for (const instance of [b, c]) await expect.poll(() => count(instance), { timeout: 60_000 }).toBe(events.length);
    for (const instance of [a, b, c]) {
      for (const other of hosts.filter((each) => each !== instance.host))
        await expect.poll(() => statusOf(instance, `ws://${other}`), { timeout: 60_000 }).toBe(3);
    }
    // Each of them is told something, and all get to know it.
    const news = [a, b, c].map((instance) => {
      return { instance, event: issue(conversations[0]?.address ?? "", `Seen at ${instance.host}`) };
    });
    for (const { instance, event } of news) await instance.client.publish([event]);
    for (const instance of [a, b, c]) await expect.poll(() => count(instance)).toBe(events.length + news.length);
  },
);

test("GR-405 a scrape each 100 ms sees a peer disconnected, connecting, syncing and connected, in this order", async () => {
  const a = await startInstance(await host(), { SIGNALBOX_RELAY_DOMAIN: source });
  const own = await host();
  const port = await findFreePort();
  const relay = `ws://127.0.0.1:${port}`;
  const conversation = makeConversation({ identifier: "shop", hosts: [source, own], relays: [relay], roots: 20 });
  await a.client.publish(conversation.events);
  const b = await startInstance(own, { SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: relay });

  const seen: (number | undefined)[] = [];
  const look = async (): Promise<void> => {
    const value = await statusOf(b, relay);
    if (value !== seen.at(-1)) seen.push(value);
  };
  await expect.poll(async () => look().then(() => seen), { interval: 100 }).toContain(0);
  const proxy = await startDelayingProxy({ port, target: `ws://${a.host}`, handshakeMs: 1_000, messageMs: 50 });
  ending.push(() => proxy.close());
  await expect.poll(async () => look().then(() => seen), { interval: 100, timeout: 90_000 }).toContain(3);

  // An attempt that found nobody listening may have been seen, too; it ends at 0 again.
  expect(seen.slice(seen.lastIndexOf(0))).toEqual([0, 1, 2, 3]);
  expect(seen.slice(0, seen.lastIndexOf(0)).every((value) => value === 0 || value === 1)).toBe(true);
});

test("a server that is killed while it catches up has everything after its next start", async () => {
  const a = await startInstance(await host(), { SIGNALBOX_RELAY_DOMAIN: source });
  const own = await host();
  const proxy = await startDelayingProxy({
    port: await findFreePort(),
    target: `ws://${a.host}`,
    handshakeMs: 0,
    messageMs: 1,
  });
  ending.push(() => proxy.close());
  const conversation = makeConversation({ identifier: "shop", hosts: [source, own], relays: [proxy.url], roots: 400 });
  await a.client.publish(conversation.events);
  const b = await startInstance(own, { SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: proxy.url });

  // What it has taken from a client, too, is to be there afterwards.
  const acknowledged: VerifiedEvent[] = [];
  for (const share of [0.2, 0.5]) {
    await expect
      .poll(() => count(b), { interval: 50, timeout: 60_000 })
      .toBeGreaterThan(conversation.events.length * share);
    const event = issue(conversation.address, `At ${share}`);
    await b.client.publish([event]);
    acknowledged.push(event);
    b.server.kill("SIGKILL");
    await b.server.ended;
    b.server = await b.installation.start();
    b.client.close();
    b.client = await connectRelay(`ws://${b.host}`);
  }
  const expected = [...conversation.events, ...acknowledged].map(({ id }) => id).sort();
  await expect.poll(() => count(b), { timeout: 60_000 }).toBe(expected.length);
  expect((await b.client.query({})).map(({ id }) => id).sort()).toEqual(expected);
});
