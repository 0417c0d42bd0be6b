import { defineSubscriber } from "@signalbox/event-store";
import { canonicalCorrelationId } from "@signalbox/kernel";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterEach, describe, expect, test } from "vitest";
import { type EventSaved, eventSaved } from "./events.js";
import { connectRaw } from "./testing/raw-client.js";
import { recordingLogger } from "./testing/recording-logger.js";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const alice = testSigner("alice");

describe("GR-065 the domain event of a stored event", () => {
  let server: TestRelay | undefined;
  afterEach(() => server?.destroy());

  test("GR-065 GR-480 is handled once for each stored event, under the correlation id of the client's connection", async () => {
    const heard: { data: EventSaved; correlationId: string }[] = [];
    const listener = defineSubscriber<EventSaved>("test.listener", {
      handle: async ({ data, correlationId }) => void heard.push({ data, correlationId }),
    });
    server = await startTestRelay({
      relay: { auth: { challenge_on_connect: false } },
      configure: (registry) => registry.subscribe(listener, { to: eventSaved }),
    });
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const client = await connectRaw(server.url, { "x-correlation-id": trace });
    const note = signEvent(alice);
    const list = signEvent(alice, { kind: 30_617, tags: [["d", "a:b"]] });
    const ephemeral = signEvent(alice, { kind: 20_001 });
    const forged = { ...signEvent(alice, { content: "x" }), sig: "0".repeat(128) };
    for (const event of [note, note, list, ephemeral, forged]) {
      client.send(["EVENT", event]);
      await client.next();
    }
    const stranger = await connectRaw(server.url);
    const others = [signEvent(alice, { content: "1" }), signEvent(alice, { content: "2" })];
    for (const event of others) {
      stranger.send(["EVENT", event]);
      await stranger.next();
    }
    await expect.poll(() => heard.length).toBe(4);
    const correlationId = canonicalCorrelationId(trace);
    const common = { pubkey: alice.publicKey, created_at: note.created_at, source: "client" };
    expect(heard.filter((event) => event.correlationId === correlationId).map(({ data }) => data)).toEqual(
      expect.arrayContaining([
        { id: note.id, kind: 1, ...common },
        { id: list.id, kind: 30_617, address: `30617:${alice.publicKey}:a:b`, ...common },
      ]),
    );
    // Without the header each event has an id of its own.
    const own = others.map(({ id }) => heard.find(({ data }) => data.id === id)?.correlationId);
    expect(new Set([correlationId, ...own]).size).toBe(3);
    expect((await server.relay.events.find(note.id))?.correlationId).toBe(correlationId);
    for (const [index, { id }] of others.entries())
      expect((await server.relay.events.find(id))?.correlationId).toBe(own[index]);
    await Promise.all([client.close(), stranger.close()]);
  });

  test("GR-025 GR-065 when it cannot be published nothing is stored, and the sender is told", async () => {
    const listener = defineSubscriber<EventSaved>("test.listener", { handle: async () => {} });
    server = await startTestRelay({
      relay: { auth: { challenge_on_connect: false } },
      // The transport takes one delivery and refuses more.
      configure: (registry) =>
        registry.subscribe(listener, { to: eventSaved, delayMs: 60_000, maxPending: { count: 1 } }),
    });
    const client = await connectRaw(server.url);
    const [first, second] = [signEvent(alice, { content: "1" }), signEvent(alice, { content: "2" })];
    client.send(["EVENT", first]);
    expect((await client.next()).slice(2)).toEqual([true, ""]);
    client.send(["EVENT", second]);
    expect((await client.next()).slice(2)).toEqual([false, expect.stringMatching(/^error: /)]);
    expect(await server.relay.events.known([first.id, second.id])).toEqual(new Set([first.id]));
    await client.close();
  });
});

test("GR-480 the decision about an event is a detail in the log, under the correlation id of its connection", async () => {
  const { logger, lines } = recordingLogger();
  const server = await startTestRelay({ logger, relay: { profile: "grasp", domain: "relay.example" } });
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const client = await connectRaw(server.url, { "x-correlation-id": trace });
  const refused = signEvent(alice);
  const accepted = signEvent(alice, { kind: 10_317 });
  for (const event of [refused, accepted]) {
    client.send(["EVENT", event]);
    await client.until("OK");
  }
  const decisions = lines.filter(({ message }) => message === "an event was decided");
  const of = (id: string) => decisions.filter(({ fields }) => fields["event_id"] === id);
  const correlationId = canonicalCorrelationId(trace);
  expect(of(refused.id)).toMatchObject([{ level: "debug", fields: { kind: 1, verdict: "rejected" }, correlationId }]);
  expect(of(accepted.id)).toMatchObject([{ level: "debug", fields: { verdict: "saved" }, correlationId }]);
  await client.close();
  await server.destroy();
});
