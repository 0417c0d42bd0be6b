import { createHash } from "node:crypto";
import { Socket } from "node:net";
import { systemClock } from "@signalbox/kernel";
import { createItemSetBuilder, createNegentropyInitiator, kinds } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectRaw, type RawClient } from "../testing/raw-client.js";
import { startTestRelay, type TestRelay } from "../testing/start-relay.js";
import { createTokenBucket } from "./token-bucket.js";

const alice = testSigner("alice");
const mallory = testSigner("mallory");
const idOf = (text: string): string => createHash("sha256").update(text).digest("hex");
const maxMessageBytes = 64 * 1024;

describe("clients that mean no good", () => {
  let server: TestRelay;
  /** Somebody who must not notice anything. */
  let bystander: RawClient;

  beforeAll(async () => {
    server = await startTestRelay({
      relay: {
        auth: { challenge_on_connect: false },
        limits: { max_message_bytes: String(maxMessageBytes), max_event_bytes: "16KiB", requests_per_minute: 0 },
      },
    });
    bystander = await connectRaw(server.url);
  });
  afterAll(() => server.destroy());

  async function stillServes(): Promise<void> {
    const note = signEvent(alice, { content: `all is well ${performance.now()}` });
    bystander.send(["EVENT", note]);
    expect(await bystander.next()).toEqual(["OK", note.id, true, ""]);
    bystander.send(["COUNT", "c", { ids: [note.id] }]);
    expect(await bystander.next()).toEqual(["COUNT", "c", { count: 1 }]);
  }

  /** A WebSocket frame as a client sends it, masked with zeros. */
  function frame(opcode: number, payload: Uint8Array, { last = true } = {}): Buffer {
    const length =
      payload.length < 126
        ? Buffer.of(0x80 | payload.length)
        : Buffer.of(0x80 | 126, payload.length >>> 8, payload.length & 255);
    return Buffer.concat([Buffer.of((last ? 0x80 : 0) | opcode), length, Buffer.alloc(4), payload]);
  }

  /** An open WebSocket on which a test writes bytes of its own; tells with which code the relay closes it. */
  async function connectBytes(): Promise<{ write(bytes: Buffer): void; closed: Promise<number>; socket: Socket }> {
    const { hostname, port } = new URL(server.url);
    const socket = new Socket();
    const received: Buffer[] = [];
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(Number(port), hostname, resolve);
    });
    const head = new Promise<void>((resolve) => {
      socket.on("data", (data) => {
        received.push(data);
        if (Buffer.concat(received).includes("\r\n\r\n")) resolve();
      });
    });
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n\r\n`,
    );
    await head;
    received.length = 0;
    const closed = new Promise<number>((resolve) => {
      // The code of the close frame, which is the last thing that comes.
      socket.once("close", () => {
        const bytes = Buffer.concat(received);
        const start = bytes.lastIndexOf(0x88);
        resolve(start === -1 ? 0 : bytes.readUInt16BE(start + 2));
      });
      socket.on("error", () => {});
    });
    return { write: (bytes) => void socket.write(bytes), closed, socket };
  }

  const text = 1;
  const more = 0;
  const ping = 9;

  test("GR-020 text that is no UTF-8 ends its own connection, with 1007", async () => {
    const { write, closed } = await connectBytes();
    write(frame(text, Buffer.from([0x5b, 0x22, 0xff, 0xfe, 0x22, 0x5d])));
    expect(await closed).toBe(1007);
    await stillServes();
  });

  test("GR-020 a message in many frames is one message; it is too long wherever it is cut", async () => {
    const { write, closed, socket } = await connectBytes();
    const answer = new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString("latin1"))));
    const parts = [...JSON.stringify(["COUNT", "frames", { kinds: [1] }])];
    for (const [index, part] of parts.entries()) {
      write(frame(index === 0 ? text : more, Buffer.from(part), { last: index === parts.length - 1 }));
      if (index === 5) write(frame(ping, Buffer.from("between")));
    }
    expect(await answer).toMatch(/between|COUNT/);
    for (let sent = 0; sent <= maxMessageBytes; sent += 16_384)
      write(frame(sent === 0 ? text : more, Buffer.alloc(16_384, 0x20), { last: false }));
    expect(await closed).toBe(1009);
    await stillServes();
  });

  test.each<[string, Buffer]>([
    ["a frame of no known kind", frame(3, Buffer.from("x"))],
    ["a frame that is not masked", Buffer.from([0x81, 0x01, 0x78])],
    ["the end of a message that never began", frame(more, Buffer.from("x"))],
    ["a ping that is too long", frame(ping, Buffer.alloc(126))],
  ])("GR-020 %s ends its own connection, with 1002", async (_, bytes) => {
    const { write, closed } = await connectBytes();
    write(bytes);
    expect(await closed).toBe(1002);
    await stillServes();
  });

  test("GR-010 who floods us with pings and does not read the answers is let go", async () => {
    const { closed, socket } = await connectBytes();
    socket.pause();
    const pings = Buffer.concat(Array.from({ length: 8_000 }, () => frame(ping, Buffer.alloc(125))));
    let ended = false;
    void closed.then(() => {
      ended = true;
    });
    // The answers fill what the machine keeps for a socket, then they would fill the relay.
    for (let sent = 0; sent < 200 && !ended && !socket.destroyed; sent++)
      await new Promise<void>((resolve) => {
        socket.once("close", resolve);
        socket.write(pings, () => resolve());
        setTimeout(resolve, 200);
      });
    socket.resume();
    await closed;
    await stillServes();
  });

  test("GR-035 of ten thousand subscriptions on one connection five hundred are open, each other one is told", async () => {
    const client = await connectRaw(server.url);
    for (let index = 0; index < 10_000; index++) client.send(["REQ", `s${index}`, { ids: [idOf(`nothing ${index}`)] }]);
    const answers = new Map<string, number>();
    for (let index = 0; index < 10_000; index++) {
      const [verb, id] = await client.next();
      answers.set(`${verb}`, (answers.get(`${verb}`) ?? 0) + 1);
      if (verb === "CLOSED") expect(Number(String(id).slice(1))).toBeGreaterThanOrEqual(500);
    }
    expect(answers).toEqual(
      new Map([
        ["EOSE", 500],
        ["CLOSED", 9_500],
      ]),
    );
    await stillServes();
    await client.close();
  });

  test("GR-030 GR-066 a filter with a hundred thousand values is refused, however they are spread", async () => {
    const client = await connectRaw(server.url);
    const many = Array.from({ length: 12_000 }, (_, index) => index % 65_536);
    // The same value again and again is one value.
    client.send(["REQ", "same", { ids: [idOf("nobody's")], kinds: Array.from({ length: 20_000 }, () => 1) }]);
    expect(await client.next()).toEqual(["EOSE", "same", ["finish"]]);
    client.send(["REQ", "many", { kinds: many }]);
    expect(await client.next()).toEqual(["CLOSED", "many", expect.stringMatching(/^invalid: .*2000/)]);
    const letters = Object.fromEntries(
      [..."abcdefghijklmnopqrstuvwxyz"].map((letter) => [
        `#${letter}`,
        Array.from({ length: 100 }, (_, index) => `${letter}${index}`),
      ]),
    );
    client.send(["COUNT", "spread", letters]);
    expect(await client.next()).toEqual(["CLOSED", "spread", expect.stringMatching(/^invalid: /)]);
    await stillServes();
    await client.close();
  });

  test("GR-020 GR-022 GR-030 names that mean something to JavaScript, and endless nesting, mean nothing here", async () => {
    const client = await connectRaw(server.url);
    const deep = "[".repeat(20_000) + "]".repeat(20_000);
    client.send(`["EVENT",${deep}]`);
    expect(await client.next()).toEqual(["NOTICE", expect.stringMatching(/^invalid: /)]);
    client.send(`["REQ","deep",${deep}]`);
    expect(await client.next()).toEqual(["CLOSED", "deep", expect.stringMatching(/^invalid: /)]);
    client.send('["REQ","proto",{"__proto__":["x"]}]');
    expect(await client.next()).toEqual(["CLOSED", "proto", expect.stringMatching(/^unsupported: /)]);
    client.send('["constructor","x"]');
    expect(await client.next()).toEqual(["NOTICE", expect.stringMatching(/^invalid: /)]);
    const note = signEvent(alice, { content: "with more", tags: [["__proto__", "x"], ["constructor"]] });
    client.send(`["EVENT",{"__proto__":{"kind":5},"toString":1,${JSON.stringify(note).slice(1)}]`);
    expect(await client.next()).toEqual(["OK", note.id, true, ""]);
    client.send(["REQ", "note", { ids: [note.id] }]);
    expect(await client.next()).toEqual(["EVENT", "note", JSON.parse(JSON.stringify(note))]);
    await stillServes();
    await client.close();
  });

  test("GR-090 GR-091 whoever deletes what others wrote removes nothing, also before it comes", async () => {
    const mine = signEvent(alice, { content: "to be kept", created_at: 1_767_000_000 });
    const page = signEvent(alice, { kind: 30_023, tags: [["d", "kept"]], created_at: 1_767_000_000 });
    const late = signEvent(alice, { content: "comes later", created_at: 1_767_000_000 });
    const client = await connectRaw(server.url);
    const say = async (event: { readonly id: string }, accepted = true): Promise<void> => {
      client.send(["EVENT", event]);
      expect((await client.next()).slice(0, 3)).toEqual(["OK", event.id, accepted]);
    };
    await say(mine);
    await say(page);
    const attempt = signEvent(mallory, {
      kind: kinds.deletion,
      tags: [
        ["e", mine.id],
        ["e", late.id],
        ["a", `30023:${alice.publicKey}:kept`],
        ["a", `30023:${mallory.publicKey}:kept`],
      ],
    });
    await say(attempt);
    await say(late);
    // Nobody deletes a deletion, not even its author.
    await say(signEvent(mallory, { kind: kinds.deletion, tags: [["e", attempt.id]], content: "never mind" }));
    expect(await server.relay.events.known([mine.id, page.id, late.id, attempt.id])).toHaveProperty("size", 4);
    await client.close();
  });

  test("GR-178 GR-180 messages of a reconciliation out of order are answered, each once, and harm no session", async () => {
    const client = await connectRaw(server.url);
    const open = Buffer.from(createNegentropyInitiator(createItemSetBuilder().seal()).open()).toString("hex");
    client.send(["NEG-MSG", "early", open]);
    expect(await client.next()).toEqual(["NEG-ERR", "early", expect.stringMatching(/^closed: /)]);
    client.send(["NEG-CLOSE", "early"]);
    // Ended before it began, and begun anew at once: one answer comes.
    client.send(["NEG-OPEN", "s", { kinds: [1] }, open]);
    client.send(["NEG-CLOSE", "s"]);
    client.send(["NEG-OPEN", "s", { kinds: [1] }, open]);
    expect((await client.next()).slice(0, 2)).toEqual(["NEG-MSG", "s"]);
    client.send(["NEG-MSG", "s", open]);
    expect((await client.next()).slice(0, 2)).toEqual(["NEG-MSG", "s"]);
    for (const wrong of ["61zz", "6", `61${"ff".repeat(2_000)}`, 5, null, {}]) {
      client.send(["NEG-OPEN", "s", { kinds: [1] }, wrong]);
      expect(await client.next()).toEqual(["NEG-ERR", "s", expect.stringMatching(/^invalid: /)]);
      client.send(["NEG-MSG", "s", open]);
      expect(await client.next()).toEqual(["NEG-ERR", "s", expect.stringMatching(/^closed: /)]);
    }
    await stillServes();
    await client.close();
  });
});

describe("floods of subscriptions", () => {
  const ofAddress = 100;
  /** A connection has room for so many whatever its neighbours do. */
  const modest = 20;
  let server: TestRelay;

  beforeAll(async () => {
    server = await startTestRelay({
      relay: {
        auth: { challenge_on_connect: false },
        limits: { requests_per_minute: 0, max_live_filters_per_ip: ofAddress },
      },
    });
  });
  afterAll(() => server.destroy());

  /** Sends everything in one piece, before the relay reads any of it. */
  function sendTogether(client: RawClient, messages: readonly unknown[]): void {
    for (const message of messages) client.send(message);
  }
  const requests = (count: number): unknown[] =>
    Array.from({ length: count }, (_, index) => ["REQ", `s${index}`, { kinds: [30_000 + index], limit: 500 }]);

  test("GR-035 many connections of one address open as many as there is room for, each other one is told, neighbours go on", async () => {
    const neighbour = await connectRaw(server.url);
    const clients = await Promise.all(Array.from({ length: 12 }, () => connectRaw(server.url)));
    for (const client of clients) sendTogether(client, requests(200));
    neighbour.send(["REQ", "mine", { authors: [alice.publicKey] }]);
    expect(await neighbour.next()).toEqual(["EOSE", "mine", ["finish"]]);

    let open = 0;
    for (const client of clients) {
      let opened = 0;
      const answered = new Set<unknown>();
      for (let answers = 0; answers < 200; answers++) {
        const [verb, id, text] = await client.next();
        answered.add(id);
        if (verb === "EOSE") opened++;
        else expect([verb, text]).toEqual(["CLOSED", expect.stringMatching(/^rate-limited: too many subscriptions/)]);
      }
      expect(answered.size).toBe(200);
      expect(opened).toBeGreaterThanOrEqual(modest);
      open += opened;
    }
    expect(open).toBeLessThanOrEqual(ofAddress + clients.length * modest);

    const note = signEvent(alice, { content: "all is well" });
    neighbour.send(["EVENT", note]);
    expect(await neighbour.next()).toEqual(["EVENT", "mine", JSON.parse(JSON.stringify(note))]);
    expect(await neighbour.next()).toEqual(["OK", note.id, true, ""]);

    // What they have taken is free when they have gone.
    await Promise.all([neighbour, ...clients].map((client) => client.close()));
    await opensAll();
  });

  test("events are taken also from a client that leaves right after it has sent them, its requests are not", async () => {
    const client = await connectRaw(server.url);
    const notes = Array.from({ length: 300 }, (_, index) => signEvent(mallory, { content: `farewell ${index}` }));
    sendTogether(
      client,
      notes.flatMap((note, index) => [
        ["EVENT", note],
        ["REQ", `s${index % 10}`, { kinds: [30_000 + index], limit: 0 }],
      ]),
    );
    await client.close();
    const reader = await connectRaw(server.url);
    for (let counted = ""; counted !== JSON.stringify({ count: notes.length }); ) {
      reader.send(["COUNT", "c", { authors: [mallory.publicKey] }]);
      counted = JSON.stringify((await reader.next())[2]);
    }
    await reader.close();
    // No subscription was opened for nobody.
    await opensAll();
  });

  /** Nobody else takes any of the room that an address has. */
  async function opensAll(): Promise<void> {
    while ((await server.metric("ngit_websocket_connections_active")) > 0)
      await new Promise((resolve) => setTimeout(resolve, 10));
    const client = await connectRaw(server.url);
    sendTogether(client, requests(ofAddress));
    for (let answers = 0; answers < ofAddress; answers++) expect((await client.next())[0]).toBe("EOSE");
    await client.close();
  }
});

test("GR-036 GR-181 what a reconciliation turned out to cost is owed, and worked off over time", () => {
  let nowMs = 0;
  const bucket = createTokenBucket(60, { ...systemClock, monotonicMs: () => nowMs });
  bucket.spend(90);
  expect(bucket.take()).toBe(false);
  nowMs += 30_000;
  expect(bucket.take()).toBe(false);
  nowMs += 1_000;
  expect(bucket.take()).toBe(true);
  expect(bucket.take()).toBe(false);
});
