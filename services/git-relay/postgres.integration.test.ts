import type { NostrEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectRaw } from "./testing/raw-client.js";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const needed = requireServers(["postgres"]);
const alice = testSigner("alice");

describe.skipIf(needed.skip)(needed.title("two relays on one PostgreSQL"), () => {
  let server: PostgresServer;
  let relays: TestRelay[];
  beforeAll(async () => {
    server = await startPostgres();
    const databaseUrl = await server.createDatabase();
    const relay = { auth: { challenge_on_connect: false } };
    relays = [await startTestRelay({ databaseUrl, relay }), await startTestRelay({ databaseUrl, relay })];
  });
  afterAll(async () => {
    for (const relay of relays) await relay.destroy();
    await server.stop();
  });
  const urls = (): string[] => relays.map(({ url }) => url);

  test("what one stores, a subscriber of the other hears once, in order", async () => {
    const [one = "", two = ""] = urls();
    const [writer, near, far] = [await connectRaw(one), await connectRaw(one), await connectRaw(two)];
    for (const client of [near, far]) {
      client.send(["REQ", "r", { "#t": ["live"] }]);
      await client.until("EOSE");
    }
    const events = Array.from({ length: 300 }, (_, index) =>
      signEvent(alice, { content: String(index), tags: [["t", "live"]] }),
    );
    for (const event of events) writer.send(["EVENT", event]);
    for (const event of events) expect(await writer.next()).toEqual(["OK", event.id, true, ""]);
    for (const client of [near, far]) {
      for (const event of events) expect(await client.next()).toMatchObject(["EVENT", "r", { id: event.id }]);
      client.send(["COUNT", "c", { "#t": ["live"] }]);
      expect(await client.next()).toEqual(["COUNT", "c", { count: events.length }]);
    }
    for (const client of [writer, near, far]) await client.close();
  });

  test("GR-479 one of them syncs with peers; the other takes over when it ends", async () => {
    const databaseUrl = await server.createDatabase();
    const source = await startTestRelay({ name: "a peer" });
    const relay = {
      domain: "relay.example",
      sync: { bootstrap_relays: source.url, allow_private_targets: true, batch_window_ms: 100 },
    };
    const both = [await startTestRelay({ databaseUrl, relay }), await startTestRelay({ databaseUrl, relay })];
    const syncing = () => both.filter(({ relay: { sync } }) => (sync?.engine.peers() ?? []).length > 0);
    try {
      const [first] = syncing();
      expect(syncing()).toHaveLength(1);
      const event = signEvent(alice, { kind: 10_317 });
      await first?.stop();
      const client = await connectRaw(source.url);
      client.send(["EVENT", event]);
      await client.until("OK");
      await client.close();
      await expect.poll(() => syncing().filter((one) => one !== first), { timeout: 30_000 }).toHaveLength(1);
      const [second] = both.filter((one) => one !== first);
      await expect.poll(() => second?.relay.events.count(10_317), { timeout: 30_000 }).toBe(1);
    } finally {
      for (const one of [...both, source]) await one.destroy();
    }
  });

  test("GR-027 GR-091 versions and deletions that meet in two relays end in one truth", async () => {
    const clients = await Promise.all(urls().map((url) => connectRaw(url)));
    const send = async (place: number, event: NostrEvent): Promise<readonly unknown[]> => {
      const client = clients[place % 2];
      client?.send(["EVENT", event]);
      return (await client?.next(([type, id]) => type === "OK" && id === event.id))?.slice(2) ?? [];
    };
    const versions = Array.from({ length: 20 }, (_, index) =>
      signEvent(alice, { kind: 30_023, created_at: 1_000 + index, tags: [["d", "x"]] }),
    );
    for (const [index, event] of versions.entries()) clients[index % 2]?.send(["EVENT", event]);
    for (const [index, event] of versions.entries()) {
      const [, id, accepted, text] = (await clients[index % 2]?.next()) ?? [];
      expect(id).toBe(event.id);
      expect(accepted || text).toSatisfy((verdict) => verdict === true || /^duplicate: /.test(String(verdict)));
    }
    for (const client of clients) {
      client.send(["REQ", "r", { kinds: [30_023] }]);
      expect(await client.next()).toEqual(["EVENT", "r", versions.at(-1)]);
      await client.until("EOSE");
      client.send(["CLOSE", "r"]);
    }
    const gone = signEvent(alice, { content: "gone" });
    expect(await send(0, gone)).toEqual([true, ""]);
    expect(await send(1, signEvent(alice, { kind: 5, tags: [["e", gone.id]] }))).toEqual([true, ""]);
    expect(await send(0, gone)).toEqual([false, "blocked: deleted by its author"]);
    for (const client of clients) await client.close();
  });
});
