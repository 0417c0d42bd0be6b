import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { kinds, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterEach, expect, type TestContext, test } from "vitest";
import { type Conversation, makeConversation } from "../nostr/conversation.js";
import { startDelayingProxy } from "../nostr/delaying-proxy.js";
import { connectRelay, type RelayClient } from "../nostr/relay-client.js";
import { findFreePort } from "../servers/free-port.js";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "../servers/signalbox.js";

/**
 * How long the outages last, in seconds. The limit between catching up quickly and from nothing is 900 seconds, and a
 * connection that says nothing is given up after 85: `OUTAGE_SECONDS=180` and `OUTAGE_SECONDS=960` look at both sides.
 */
const outageSeconds = Number(process.env["OUTAGE_SECONDS"] ?? 3);
/** Who was away for long is tried again after up to a third of that. */
const patienceMs = Math.max(180_000, outageSeconds * 1_000);
const testMs = outageSeconds * 1_000 + 3 * patienceMs;

/** Long outages are tried with the defaults; in short ones nobody waits for them. */
const hurried = { SIGNALBOX_RELAY_SYNC_BATCH_WINDOW_MS: "500", SIGNALBOX_RELAY_SYNC_BASE_BACKOFF_S: "1" };

interface Instance {
  readonly host: string;
  readonly installation: SignalboxInstallation;
  server: SignalboxServer;
}

const ending: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function startInstance(address: string, env: Readonly<Record<string, string>> = {}): Promise<Instance> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-outage-"));
  ending.push(() => rm(dataDirectory, { recursive: true, force: true }));
  const installation = await installSignalbox({
    dataDirectory,
    flags: ["--only", "relay"],
    env: {
      SIGNALBOX_RELAY_LISTEN: address,
      SIGNALBOX_RELAY_LIMITS_EVENTS_PER_MINUTE: "0",
      SIGNALBOX_RELAY_LIMITS_REQUESTS_PER_MINUTE: "0",
      SIGNALBOX_RELAY_SYNC_ALLOW_PRIVATE_TARGETS: "true",
      ...(outageSeconds < 60 && hurried),
      ...env,
    },
  });
  const instance = { host: address, installation, server: await installation.start() };
  ending.push(() => instance.server.stop());
  return instance;
}

async function clientOf({ host }: Instance): Promise<RelayClient> {
  const client = await connectRelay(`ws://${host}`);
  ending.push(() => client.close());
  return client;
}

/** Values of a series by its labels, as they are written. */
async function scrape({ server }: Instance, name: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${server.metricsUrl}/metrics`)).text();
  const lines = text.matchAll(/^(\w+)\{(.*)\} (\S+)$/gm);
  return new Map(
    [...lines].flatMap(([, series, labels = "", value]) => (series === name ? [[labels, Number(value)]] : [])),
  );
}

const statusOf = async (instance: Instance, relay: string): Promise<number | undefined> =>
  (await scrape(instance, "ngit_sync_relay_connected")).get(`relay="${relay}"`);

const inSync = (instance: Instance, relay: string): Promise<void> =>
  expect.poll(() => statusOf(instance, relay), { timeout: patienceMs }).toBe(3);

/** Events of a relay that were read, whatever became of them. */
async function receivedFrom(instance: Instance, relay: string): Promise<number> {
  const counts = await scrape(instance, "signalbox_relay_sync_events_received_total");
  return [...counts].reduce((sum, [labels, count]) => sum + (labels.includes(`relay="${relay}"`) ? count : 0), 0);
}

/** As long as the outage lasts: new issues, answers to them and to old ones, and a repository now and then. */
async function keepPublishing(
  client: RelayClient,
  { address, events }: Conversation,
  hosts: readonly string[],
): Promise<VerifiedEvent[]> {
  const author = testSigner("somebody who goes on");
  const news: VerifiedEvent[] = [];
  const endMs = performance.now() + outageSeconds * 1_000;
  for (let index = 0; performance.now() < endMs; index++) {
    const created_at = Math.floor(Date.now() / 1_000);
    const issue = signEvent(author, {
      kind: kinds.issue,
      created_at,
      tags: [["a", address]],
      content: `News ${index}`,
    });
    const old = events[2];
    const answers = [issue, ...(old ? [old] : [])].map((root) =>
      signEvent(author, { kind: kinds.comment, created_at, tags: [["E", root.id]], content: `About news ${index}` }),
    );
    const some = [issue, ...answers, ...(index % 20 === 0 ? [announce(`shop-${index}`, hosts, created_at)] : [])];
    await client.publish(some);
    news.push(...some);
    await sleep(Math.min(1_000, outageSeconds * 100));
  }
  return news;
}

function announce(identifier: string, hosts: readonly string[], created_at: number): VerifiedEvent {
  const { kind, tags, content } = makeConversation({ identifier, hosts, roots: 0 }).announcement;
  return signEvent(testSigner(`owner of ${identifier}`), { kind, created_at, tags, content });
}

async function expectSame(instance: Instance, events: readonly VerifiedEvent[]): Promise<number> {
  const startMs = performance.now();
  const client = await clientOf(instance);
  const expected = events.map(({ id }) => id);
  const missing = async (): Promise<string[]> => {
    const stored = new Set((await client.query({})).map(({ id }) => id));
    return expected.filter((id) => !stored.has(id));
  };
  await expect.poll(missing, { timeout: patienceMs, interval: 200 }).toEqual([]);
  return Math.round(performance.now() - startMs);
}

const report = (annotate: TestContext["annotate"], figures: object): Promise<unknown> =>
  annotate(`${outageSeconds} s: ${JSON.stringify(figures)}`);

test("GR-271 a server that was killed and one that stood still have everything that was published meanwhile", {
  timeout: testMs,
}, async ({ annotate }) => {
  const hosts = await Promise.all([1, 2, 3].map(async () => `127.0.0.1:${await findFreePort()}`));
  const [hostA = "", hostB = "", hostC = ""] = hosts;
  const conversation = makeConversation({ identifier: "shop", hosts, roots: outageSeconds < 60 ? 40 : 200 });
  const a = await startInstance(hostA);
  const bootstrap = { SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: `ws://${hostA}` };
  const [b, c] = await Promise.all([startInstance(hostB, bootstrap), startInstance(hostC, bootstrap)]);
  const client = await clientOf(a);
  await client.publish(conversation.events);
  for (const instance of [b, c]) await expectSame(instance, conversation.events);
  for (const [one, other] of [
    [a, hostB],
    [a, hostC],
    [b, hostA],
    [c, hostA],
  ] as const)
    await inSync(one, `ws://${other}`);

  b.server.kill("SIGKILL");
  c.server.kill("SIGSTOP");
  const before = await receivedFrom(a, `ws://${hostB}`);
  const news = await keepPublishing(client, conversation, hosts);
  const seen = { b: await statusOf(a, `ws://${hostB}`), c: await statusOf(a, `ws://${hostC}`) };
  const attempts = await scrape(a, "ngit_sync_connection_attempts_total");
  c.server.kill("SIGCONT");
  b.server = await b.installation.start();
  const ms = { b: await expectSame(b, news), c: await expectSame(c, news) };
  for (const [one, other] of [
    [a, hostB],
    [a, hostC],
    [b, hostA],
    [c, hostA],
    [b, hostC],
    [c, hostB],
  ] as const)
    await inSync(one, `ws://${other}`);
  await report(annotate, {
    news: news.length,
    seenByA: seen,
    attemptsOfA: Object.fromEntries(attempts),
    ms,
    receivedByB: await receivedFrom(b, `ws://${hostA}`),
    receivedByC: Object.fromEntries(await scrape(c, "signalbox_relay_sync_events_received_total")),
    receivedByAFromB: (await receivedFrom(a, `ws://${hostB}`)) - before,
  });
});

test("GR-331 a server that another could not reach gives it what was published meanwhile, and not everything again", {
  timeout: testMs,
}, async ({ annotate }) => {
  const port = await findFreePort();
  const hostA = `127.0.0.1:${port}`;
  const hostB = `127.0.0.1:${await findFreePort()}`;
  const relay = `ws://${hostA}`;
  const a = await startInstance(`127.0.0.1:${await findFreePort()}`, { SIGNALBOX_RELAY_DOMAIN: hostA });
  const openWay = () => startDelayingProxy({ port, target: `ws://${a.host}`, handshakeMs: 0, messageMs: 0 });
  let way = await openWay();
  ending.push(() => way.close());
  const b = await startInstance(hostB, { SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: relay });
  const conversation = makeConversation({
    identifier: "shop",
    hosts: [hostA, hostB],
    roots: outageSeconds < 60 ? 40 : 200,
  });
  const client = await clientOf(a);
  await client.publish(conversation.events);
  await expectSame(b, conversation.events);
  await inSync(b, relay);

  await way.close();
  await expect.poll(() => statusOf(b, relay), { timeout: patienceMs }).not.toBe(3);
  const before = await receivedFrom(b, relay);
  const news = await keepPublishing(client, conversation, [hostA, hostB]);
  const seen = await statusOf(b, relay);
  const attempts = await scrape(b, "ngit_sync_connection_attempts_total");
  way = await openWay();
  const ms = await expectSame(b, news);
  await inSync(b, relay);
  const received = (await receivedFrom(b, relay)) - before;
  await report(annotate, {
    news: news.length,
    seen,
    attempts: Object.fromEntries(attempts),
    ms,
    messages: way.passed,
    received,
    batches: Object.fromEntries(await scrape(b, "signalbox_relay_sync_batches_total")),
  });
  // Events of some layers are met in others again, but what was there before stays where it is.
  expect(received - 3 * news.length).toBeLessThan(conversation.events.length / 2);
});
