import { createConnection } from "node:net";
import { createVirtualClock } from "@signalbox/kernel";
import type { NostrEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { expect, onTestFinished, test } from "vitest";
import { createPeerStore } from "./peers/peer-store.js";
import { connectRaw } from "./testing/raw-client.js";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const alice = testSigner("alice");
const quiet = { auth: { challenge_on_connect: false }, limits: { events_per_minute: 0 } };

function start(options: Parameters<typeof startTestRelay>[0]): Promise<TestRelay> {
  return startTestRelay(options).then((relay) => {
    onTestFinished(() => relay.destroy());
    return relay;
  });
}

/** As a server does it, but twice at the same time. */
async function stopTwice({ relay }: TestRelay): Promise<void> {
  await Promise.all([relay.intake.stop(), relay.intake.stop()]);
  await Promise.all([relay.service.stop(), relay.service.stop()]);
}

test("GR-478 a stop in the middle of work says goodbye, stores what was taken in, and holds nothing against peers", async () => {
  const source = await start({ name: "the source", relay: quiet });
  const relay = await start({
    relay: {
      ...quiet,
      sync: { enabled: true, allow_private_targets: true, bootstrap_relays: source.url, batch_window_ms: 50 },
    },
  });
  const active = "ngit_websocket_connections_active";
  await expect.poll(() => relay.metric(`ngit_sync_relay_connected{relay="${source.url}"}`)).toBe(3);
  expect(await source.metric(active)).toBe(1);
  const [writer, reader] = [await connectRaw(relay.url), await connectRaw(relay.url)];
  for (const id of ["one", "two"]) {
    reader.send(["REQ", id, { kinds: [1] }]);
    await reader.until("EOSE");
  }
  const events = Array.from({ length: 400 }, (_, index) => signEvent(alice, { content: String(index) }));
  for (const event of events) writer.send(["EVENT", event]);
  await writer.until("OK");

  const url = relay.url;
  const origin = { source: "client", correlationId: "C" } as const;
  const queued = Array.from({ length: 300 }, (_, index) => signEvent(alice, { content: `queued ${index}` }));
  const verdicts = queued.map((event) => relay.relay.eventIntake.accept(event, { origin, authenticated: new Set() }));
  await stopTwice(relay);

  for (const client of [writer, reader]) expect(await client.closed).toEqual({ code: 1001, reason: "shutting down" });
  expect(reader.messages.filter(([type]) => type === "CLOSED")).toEqual([
    ["CLOSED", "one", "error: shutting down"],
    ["CLOSED", "two", "error: shutting down"],
  ]);
  await expect(connectRaw(url)).rejects.toThrow("ECONNREFUSED");
  await expect.poll(() => source.metric(active)).toBe(0);
  const [peer] = await createPeerStore(relay.database).loadPeers();
  expect(peer).toMatchObject({ url: source.url, health: { failures: 0, lastFailureAt: null } });

  // What was taken in before the end is there after the next start.
  expect((await Promise.all(verdicts)).filter(({ kind }) => kind !== "saved")).toEqual([]);
  const isAccepted = (event: NostrEvent): boolean =>
    writer.messages.some(([type, id, accepted]) => type === "OK" && id === event.id && accepted === true);
  const accepted = [...queued, ...events.filter(isAccepted)];
  expect(accepted.length).toBeGreaterThan(queued.length);
  const next = await start({ directory: relay.directory, relay: quiet });
  const stored = await next.relay.events.known(accepted.map(({ id }) => id));
  expect(accepted.filter(({ id }) => !stored.has(id))).toEqual([]);
});

test("GR-478 a client that does not answer is waited for five seconds, no longer", async () => {
  const clock = createVirtualClock(Date.now());
  const relay = await start({ clock, relay: quiet });
  const { hostname, port } = new URL(relay.url);
  const mute = createConnection({ host: hostname, port: Number(port) });
  onTestFinished(() => void mute.destroy());
  const upgraded = new Promise((resolve) => mute.once("data", resolve));
  mute.write(
    `GET / HTTP/1.1\r\nHost: ${hostname}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  await upgraded;
  let isStopped = false;
  const stopping = stopTwice(relay).then(() => {
    isStopped = true;
  });
  await clock.advanceBy(4_900);
  expect(isStopped).toBe(false);
  await clock.advanceBy(100);
  await stopping;
});
