import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kinds, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { expect, onTestFinished, test } from "vitest";
import { makeConversation } from "../nostr/conversation.js";
import { startDelayingProxy } from "../nostr/delaying-proxy.js";
import { connectRelay, type RelayClient } from "../nostr/relay-client.js";
import { findFreePort } from "../servers/free-port.js";
import { startPostgres } from "../servers/postgres.js";
import { requireServers } from "../servers/require-servers.js";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "../servers/signalbox.js";

const needed = requireServers(["postgres"]);

/** Names that lead nowhere: who is announced under them is reached through a proxy, or directly. */
const [source, shared] = ["source.invalid", "shared.invalid"] as const;

interface Instance {
  readonly installation: SignalboxInstallation;
  server: SignalboxServer;
  client: RelayClient;
}

async function startInstance(domain: string, env: Readonly<Record<string, string>> = {}): Promise<Instance> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-takeover-"));
  onTestFinished(() => rm(dataDirectory, { recursive: true, force: true }));
  const installation = await installSignalbox({
    dataDirectory,
    flags: ["--only", "relay"],
    env: {
      SIGNALBOX_RELAY_DOMAIN: domain,
      SIGNALBOX_RELAY_LIMITS_EVENTS_PER_MINUTE: "0",
      // The test looks again and again.
      SIGNALBOX_RELAY_LIMITS_REQUESTS_PER_MINUTE: "0",
      SIGNALBOX_RELAY_SYNC_ALLOW_PRIVATE_TARGETS: "true",
      SIGNALBOX_RELAY_SYNC_BATCH_WINDOW_MS: "500",
      ...env,
    },
  });
  const server = await installation.start();
  const instance = { installation, server, client: await connectRelay(urlOf(installation)) };
  onTestFinished(async () => {
    instance.client.close();
    await instance.server.stop();
  });
  return instance;
}

function urlOf({ env }: SignalboxInstallation): string {
  return `ws://${env["SIGNALBOX_RELAY_LISTEN"]}`;
}

/** Whether it has peers to sync with; a server that leaves that to another one has none. */
async function leads({ server }: Instance): Promise<boolean> {
  const text = await (await fetch(`${server.metricsUrl}/metrics`)).text();
  return Number(/^ngit_sync_relays_tracked_total (\d+)$/m.exec(text)?.[1]) > 0;
}

const count = async ({ client }: Instance): Promise<number> => (await client.query({})).length;

function issue(address: string, content: string): VerifiedEvent {
  const created_at = Math.floor(Date.now() / 1_000);
  return signEvent(testSigner("a reader"), { kind: kinds.issue, created_at, tags: [["a", address]], content });
}

test.skipIf(needed.skip)(
  needed.title(
    "GR-479 of two servers on one database the other goes on when the one that syncs is killed; nothing is lost or told twice",
  ),
  async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    const origin = await startInstance(source, { SIGNALBOX_RELAY_SYNC_ENABLED: "false" });
    const proxy = await startDelayingProxy({
      port: await findFreePort(),
      target: urlOf(origin.installation),
      handshakeMs: 0,
      messageMs: 1,
    });
    onTestFinished(() => proxy.close());
    const hosts = [source, shared];
    const conversation = makeConversation({ identifier: "shop", hosts, relays: [proxy.url], roots: 400 });
    await origin.client.publish(conversation.events);

    const env = {
      SIGNALBOX_DATABASE_URL: await postgres.createDatabase(),
      SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: proxy.url,
    };
    const both = [await startInstance(shared, env), await startInstance(shared, env)] as const;
    const leaders = async () => (await Promise.all(both.map(leads))).filter((isLeader) => isLeader).length;
    await expect.poll(leaders, { timeout: 60_000 }).toBe(1);
    const [leader, other] = (await leads(both[0])) ? both : [both[1], both[0]];

    // Whoever stores it, a client of the other server hears it, once.
    const heard = new Map<string, number>();
    await other.client.follow({ since: 0 }, ({ id }) => void heard.set(id, (heard.get(id) ?? 0) + 1));
    const early = await other.client.query({});
    await expect
      .poll(() => count(leader), { interval: 50, timeout: 120_000 })
      .toBeGreaterThan(conversation.events.length * 0.3);
    const acknowledged = issue(conversation.address, "Taken by the one that is killed");
    await leader.client.publish([acknowledged]);
    leader.server.kill("SIGKILL");
    await leader.server.ended;

    const expected = [...conversation.events, acknowledged].map(({ id }) => id).sort();
    await expect.poll(() => leads(other), { timeout: 90_000 }).toBe(true);
    await expect.poll(() => count(other), { timeout: 120_000 }).toBe(expected.length);
    expect((await other.client.query({})).map(({ id }) => id).sort()).toEqual(expected);

    // The killed one comes back, finds that it is not needed for the sync, and both hear what is new.
    leader.client.close();
    leader.server = await leader.installation.start();
    leader.client = await connectRelay(urlOf(leader.installation));
    const news = issue(conversation.address, "Afterwards");
    await expect.poll(async () => (await origin.client.query({ ids: [expected[0] ?? ""] })).length).toBe(1);
    await origin.client.publish([news]);
    for (const instance of both)
      await expect.poll(() => count(instance), { timeout: 60_000 }).toBe(expected.length + 1);
    expect(await Promise.all([leader, other].map(leads))).toEqual([false, true]);

    const known = new Set(early.map(({ id }) => id));
    const untold = [...expected, news.id].filter((id) => !heard.has(id) && !known.has(id));
    expect(untold).toEqual([]);
    expect([...heard].filter(([, times]) => times > 1)).toEqual([]);
  },
  600_000,
);
