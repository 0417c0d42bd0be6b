import { randomBytes } from "node:crypto";
import { createConnection } from "node:net";
import { text } from "node:stream/consumers";
import { createVirtualClock } from "@signalbox/kernel";
import { encodeNpub } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { connectRaw, type RawClient } from "./testing/raw-client.js";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const nostrJson = { accept: "application/nostr+json" };
const cors = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers":
    "Content-Type, Authorization, Git-Protocol, Accept, Content-Encoding, X-Requested-With",
};
const quiet = { auth: { challenge_on_connect: false } };

/** The status of a refused upgrade. */
function upgradeStatus(url: string, headers: Record<string, string> = {}): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers });
    socket.once("unexpected-response", (_, response) => {
      expect(response.headers).toMatchObject(cors);
      resolve(response.statusCode);
      socket.terminate();
    });
    socket.once("open", () => reject(new Error("the upgrade was accepted")));
    socket.on("error", () => {});
  });
}

describe("the listener", () => {
  let server: TestRelay;
  beforeAll(async () => {
    server = await startTestRelay({
      relay: {
        ...quiet,
        name: "A <b>relay</b>",
        contact: "mailto:x@relay.example",
        pubkey: encodeNpub(testSigner("operator").publicKey),
      },
    });
  });
  afterAll(() => server.destroy());

  test("GR-001 GR-002 WebSocket is served at / only", async () => {
    await (await connectRaw(`${server.url}/?x=1`)).close();
    for (const path of ["/other", "/metrics", "//", "/prs/x"])
      expect(await upgradeStatus(`${server.url}${path}`)).toBe(404);
  });

  test.each<[string, string, number, string]>([
    ["GET", "/", 200, "text/html"],
    ["HEAD", "/", 200, "text/html"],
    ["GET", "/icon.png", 200, "image/png"],
    ["GET", "/metrics", 404, "text/plain"],
    ["GET", "/anything", 404, "text/plain"],
    ["GET", "/prs/x", 404, "text/plain"],
    ["POST", "/", 405, "text/plain"],
    ["DELETE", "/anything", 404, "text/plain"],
  ])("GR-001 GR-002 GR-530 %s %s is answered %i", async (method, path, status, type) => {
    const answer = await fetch(`${server.httpUrl}${path}`, { method });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toMatch(type);
    for (const [name, value] of Object.entries(cors)) expect(answer.headers.get(name)).toBe(value);
    if (method === "HEAD") expect(await answer.text()).toBe("");
  });

  test("GR-002 GR-530 OPTIONS is 204 without a body on any path", async () => {
    for (const path of ["/", "/npub1x/y.git/info/refs", "/nowhere"]) {
      const answer = await fetch(`${server.httpUrl}${path}`, { method: "OPTIONS" });
      expect([answer.status, await answer.text()]).toEqual([204, ""]);
      for (const [name, value] of Object.entries(cors)) expect(answer.headers.get(name)).toBe(value);
    }
  });

  test("GR-002 people get a page, in which every value is escaped", async () => {
    const answer = await fetch(server.httpUrl);
    const page = await answer.text();
    expect(page).toContain("A &lt;b&gt;relay&lt;/b&gt;");
    expect(page).not.toContain("<b>");
    expect(page).toContain(server.url);
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test("GR-003 GR-005 clients get the description with the configured limits", async () => {
    const answer = await fetch(server.httpUrl, { headers: { accept: "text/html, application/nostr+json" } });
    expect(answer.headers.get("content-type")).toBe("application/nostr+json");
    expect(await answer.json()).toMatchObject({
      name: "A <b>relay</b>",
      description: expect.any(String),
      icon: expect.stringMatching(/\/icon\.png$/),
      pubkey: testSigner("operator").publicKey,
      self: testSigner("the relay").publicKey,
      contact: "mailto:x@relay.example",
      software: "signalbox",
      version: "0.0.0-test",
      supported_nips: [1, 9, 11, 34, 40, 42, 45, 67, 70, 77],
      supported_grasps: [],
      limitation: {
        max_message_length: 1_048_576,
        max_subscriptions: 500,
        max_limit: 500,
        default_limit: 500,
        max_subid_length: 64,
        max_event_tags: 5_000,
        max_content_length: 262_144,
        created_at_upper_limit: 900,
        auth_required: false,
        payment_required: false,
        restricted_writes: false,
      },
    });
  });

  test("GR-007 long messages are compressed, for clients that can", async () => {
    const client = new WebSocket(server.url, { perMessageDeflate: true });
    await new Promise((resolve) => client.once("open", resolve));
    expect(client.extensions).toContain("permessage-deflate");
    const answered = () => new Promise<string>((resolve) => client.once("message", (data) => resolve(String(data))));
    client.send(
      JSON.stringify(["EVENT", signEvent(testSigner("alice"), { content: "x".repeat(50_000), tags: [["t", "long"]] })]),
    );
    expect(await answered()).toContain("true");
    const before = await bytesRead(client);
    client.send(JSON.stringify(["REQ", "r", { "#t": ["long"] }]));
    expect((await answered()).length).toBeGreaterThan(50_000);
    expect((await bytesRead(client)) - before).toBeLessThan(5_000);
    client.terminate();
  });
});

/** What the socket below has received. */
async function bytesRead(client: WebSocket): Promise<number> {
  const carrier: unknown = Reflect.get(client, "_socket");
  return typeof carrier === "object" && carrier !== null && "bytesRead" in carrier ? Number(carrier.bytesRead) : 0;
}

describe("GR-004 what a description says about acceptance", () => {
  const describeWith = async (relay: object): Promise<object> => {
    const server = await startTestRelay({ relay });
    const answer = await fetch(server.httpUrl, { headers: nostrJson });
    await server.destroy();
    return JSON.parse(await answer.text());
  };

  test("GR-004 GR-003 nothing without a restriction; a list is curation", async () => {
    const open = await describeWith({ profile: "open" });
    expect(open).toMatchObject({ repo_acceptance_criteria: "None", supported_grasps: [] });
    expect(open).not.toHaveProperty("curation");
    expect(open).not.toHaveProperty("contact");
    const listed = await describeWith({ profile: "grasp", domain: "relay.example", policy: { repositories: ["x"] } });
    expect(listed).toMatchObject({
      name: "relay.example git relay",
      icon: "https://relay.example/icon.png",
      repo_acceptance_criteria: expect.stringMatching(/^Announcements list .+\. Only .+\.$/),
      curation: expect.any(String),
      limitation: { restricted_writes: true },
    });
  });
});

describe("many and strange clients", () => {
  test("GR-037 beyond the limit an upgrade is answered 503", async () => {
    const server = await startTestRelay({ relay: { ...quiet, limits: { max_connections: 2 } } });
    const [one, two] = [await connectRaw(server.url), await connectRaw(server.url)];
    expect(await upgradeStatus(server.url)).toBe(503);
    await one.close();
    await expect.poll(() => server.metric("ngit_websocket_connections_active")).toBe(1);
    await (await connectRaw(server.url)).close();
    await two.close();
    await server.destroy();
  });

  test("GR-008 GR-037 an address has its own limit; forwarded addresses count behind a trusted proxy only", async () => {
    const limits = { max_connections_per_ip: 1 };
    const from = (address: string) => ({ "x-forwarded-for": `203.0.113.9, ${address}` });
    const direct = await startTestRelay({ relay: { ...quiet, limits } });
    const first = await connectRaw(direct.url, from("198.51.100.1"));
    expect(await upgradeStatus(direct.url, from("198.51.100.2"))).toBe(503);
    await first.close();
    await direct.destroy();

    const behindProxy = await startTestRelay({ relay: { ...quiet, limits }, trustedProxies: ["127.0.0.0/8"] });
    const clients = [
      await connectRaw(behindProxy.url, from("198.51.100.1")),
      await connectRaw(behindProxy.url, from("198.51.100.2")),
    ];
    expect(await upgradeStatus(behindProxy.url, from("198.51.100.2"))).toBe(503);
    expect(await behindProxy.metric("ngit_websocket_unique_ips")).toBe(2);
    for (const client of clients) await client.close();
    await behindProxy.destroy();
  });

  test("GR-037 an address with unusually many connections is flagged", async () => {
    const server = await startTestRelay({ relay: { ...quiet, limits: { abuse_threshold: 2 } } });
    const clients = [await connectRaw(server.url), await connectRaw(server.url)];
    expect(await server.metric("ngit_websocket_flagged_abusers")).toBe(0);
    clients.push(await connectRaw(server.url));
    expect(await server.metric("ngit_websocket_flagged_abusers")).toBe(1);
    for (const client of clients) await client.close();
    await expect.poll(() => server.metric("ngit_websocket_flagged_abusers")).toBe(0);
    await server.destroy();
  });

  test("GR-009 a client that does not answer pings is let go; one that does may be quiet for ever", async () => {
    const clock = createVirtualClock();
    const server = await startTestRelay({ clock, relay: quiet });
    const good = await connectRaw(server.url);
    good.send(["REQ", "r", { limit: 0 }]);
    await good.next();
    const mute = new WebSocket(server.url, { autoPong: false });
    await new Promise((resolve) => mute.once("open", resolve));
    const muteClosed = new Promise((resolve) => mute.once("close", resolve));
    for (let round = 0; round < 4; round++) {
      const pinged = new Promise((resolve) => good.socket.once("ping", resolve));
      await clock.advanceBy(55_000);
      await pinged;
      // The pong is on its way; time waits for it.
      good.send(["REQ", "r", { limit: 0 }]);
      await good.next();
      await clock.advanceBy(29_000);
    }
    await clock.advanceBy(1_000);
    await muteClosed;
    expect(good.socket.readyState).toBe(WebSocket.OPEN);
    await good.close();
    await server.destroy();
  });

  test("GR-002 the address of a request may be a whole URL", async () => {
    const server = await startTestRelay({ relay: quiet });
    const socket = createConnection(Number(new URL(server.httpUrl).port), "127.0.0.1");
    socket.write(
      "GET http://relay.example HTTP/1.1\r\nHost: relay.example\r\nAccept: application/nostr+json\r\nConnection: close\r\n\r\n",
    );
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 .*"supported_nips"/s);
    await server.destroy();
  });

  test("GR-010 a client that does not read is let go; others do not notice", async () => {
    const server = await startTestRelay({ relay: { ...quiet, limits: { events_per_minute: 0 } } });
    const writer = await connectRaw(server.url);
    const [slow, good] = [await connectRaw(server.url), await connectRaw(server.url)];
    for (const [client, copies] of [
      [slow, 20],
      [good, 1],
    ] as const) {
      for (let index = 0; index < copies; index++) client.send(["REQ", `r${index}`, { kinds: [1], limit: 0 }]);
      for (let index = 0; index < copies; index++) await client.next();
    }
    slow.socket.pause();
    // What compression makes small takes long to be too much.
    const content = randomBytes(150_000).toString("base64");
    for (
      let index = 0;
      (await server.metric('signalbox_relay_slow_clients_total{limit="connection"}')) === 0;
      index++
    ) {
      if (index > 60) throw new Error("the slow client is still there");
      const event = signEvent(testSigner("alice"), { content: `${index} ${content}` });
      writer.send(["EVENT", event]);
      expect((await writer.next()).slice(1)).toEqual([event.id, true, ""]);
      expect((await good.next())[0]).toBe("EVENT");
    }
    expect(good.socket.readyState).toBe(WebSocket.OPEN);
    slow.socket.terminate();
    await Promise.all([writer.close(), good.close()]);
    await server.destroy();
  }, 120_000);

  test("GR-010 clients that do not read share the room for what waits; a slow one that reads stays", async () => {
    const limits = { events_per_minute: 0, max_outbox_bytes: "8MiB" };
    const server = await startTestRelay({ relay: { ...quiet, limits } });
    const writer = await connectRaw(server.url);
    const mutes = await Promise.all(Array.from({ length: 4 }, () => connectRaw(server.url)));
    const slow = await connectRaw(server.url);
    const listen = async (client: RawClient, copies: number): Promise<void> => {
      for (let index = 0; index < copies; index++) client.send(["REQ", `r${index}`, { kinds: [1], limit: 0 }]);
      for (let index = 0; index < copies; index++) await client.next();
    };
    await Promise.all([...mutes.map((mute) => listen(mute, 10)), listen(slow, 1)]);
    for (const mute of mutes) mute.socket.pause();
    const content = randomBytes(150_000).toString("base64");
    const written: unknown[] = [];
    const relayLimit = 'signalbox_relay_slow_clients_total{limit="relay"}';
    while ((await server.metric(relayLimit)) < mutes.length) {
      if (written.length > 100) throw new Error("the clients that do not read are still there");
      // What was written two events ago is read now.
      slow.socket.pause();
      const event = signEvent(testSigner("alice"), { content: `${written.length} ${content}` });
      written.push(event.id);
      writer.send(["EVENT", event]);
      expect((await writer.next()).slice(1)).toEqual([event.id, true, ""]);
      if (written.length % 2 === 0) {
        slow.socket.resume();
        for (let index = 0; index < 2; index++) await slow.next();
      }
      expect(await server.metric("signalbox_relay_outbox_bytes")).toBeLessThanOrEqual(8 * 1024 * 1024);
    }
    slow.socket.resume();
    if (written.length % 2 === 1) await slow.next();
    expect(slow.messages.slice(-written.length).map((message) => Reflect.get(Object(message[2]), "id"))).toEqual(
      written,
    );
    expect([slow.socket.readyState, writer.socket.readyState]).toEqual([WebSocket.OPEN, WebSocket.OPEN]);
    for (const mute of mutes) mute.socket.terminate();
    await Promise.all([writer.close(), slow.close()]);
    await server.destroy();
  }, 120_000);

  test.each<[string, string, number]>([
    [
      "a handshake of an old version",
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1\r\n\r\n",
      400,
    ],
    [
      "a handshake without a key",
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
      400,
    ],
    ["what is not HTTP", "good morning\r\n\r\n", 400],
    ["a page of two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400],
    ["a page of no host", "GET / HTTP/1.1\r\n\r\n", 400],
    [
      "a handshake with two hosts",
      "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
      400,
    ],
    ["headers without end", `GET / HTTP/1.1\r\nx: ${"y".repeat(40_000)}\r\n\r\n`, 431],
  ])("GR-002 %s is refused, with the headers that every response has", async (_, request, status) => {
    const server = await startTestRelay({ relay: quiet });
    const socket = createConnection(Number(new URL(server.httpUrl).port), "127.0.0.1");
    socket.on("error", () => {});
    const answer = new Promise<string>((resolve) => {
      let text = "";
      socket.setEncoding("utf8").on("data", (part: string) => (text += part));
      socket.once("close", () => resolve(text));
    });
    socket.write(request);
    const [line, ...headers] = (await answer).split("\r\n");
    expect(line).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    for (const [name, value] of Object.entries(cors)) expect(headers).toContain(`${name}: ${value}`);
    await server.destroy();
  });

  test("GR-009 a handshake that never ends does not keep the relay from stopping", async () => {
    const server = await startTestRelay({ relay: quiet });
    const socket = createConnection(Number(new URL(server.httpUrl).port), "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
    await server.destroy();
    socket.destroy();
  });

  test("stopping twice, while clients are busy, is one stop", async () => {
    const server = await startTestRelay({ relay: quiet });
    const client = await connectRaw(server.url);
    for (let index = 0; index < 50; index++)
      client.send(["EVENT", signEvent(testSigner("alice"), { content: String(index) })]);
    await Promise.all([server.relay.intake.stop(), server.relay.intake.stop(), server.stop()]);
    expect((await client.closed).code).toBe(1001);
    await expect(connectRaw(server.url)).rejects.toThrow();
    await server.destroy();
  });
});
