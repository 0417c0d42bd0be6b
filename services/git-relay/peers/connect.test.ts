import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import {
  createEgressGuard,
  createVirtualClock,
  type EgressGuardOptions,
  systemClock,
  type VirtualClock,
} from "@signalbox/kernel";
import { createSelfSignedCertificate } from "@signalbox/testing/servers";
import { afterEach, expect, test, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { PeerConnectError, PeerFailure, PeerSocket, PeerUrl } from "../sync/ports.js";
import { testPeer } from "../testing/test-peer.js";
import { createSocketFactory, type SocketFactoryOptions } from "./connect.js";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

const allowLoopback = ["127.0.0.0/8"];
const eventually = { timeout: 10_000 };

interface Opened {
  readonly socket: PeerSocket;
  readonly messages: string[];
  readonly ends: (PeerFailure | null)[];
}

interface OpenOptions extends Partial<Omit<SocketFactoryOptions, "guard">> {
  readonly guard?: EgressGuardOptions;
  readonly signal?: AbortSignal;
}

async function open(url: PeerUrl, options: OpenOptions = {}): Promise<Opened> {
  const { guard = { allowPrivate: allowLoopback }, signal = new AbortController().signal, ...rest } = options;
  const factory = createSocketFactory({ clock: systemClock, ...rest, guard: createEgressGuard(guard) });
  const messages: string[] = [];
  const ends: (PeerFailure | null)[] = [];
  const events = {
    onMessage: (text: string) => messages.push(text),
    onClose: (end: PeerFailure | null) => ends.push(end),
  };
  const socket = await factory.open(url, events, { timeoutMs: 5_000, signal });
  closers.push(() => socket.close());
  return { socket, messages, ends };
}

function failureOf(opening: Promise<unknown>): Promise<PeerFailure> {
  return opening.then(
    () => {
      throw new Error("the connection was made");
    },
    (error: PeerConnectError) => error.failure,
  );
}

/** A WebSocket server that calls back for each connection. */
async function serve(onConnection: (socket: WebSocket) => void = () => {}): Promise<PeerUrl> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  closers.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on("connection", onConnection);
  await new Promise((resolve) => server.once("listening", resolve));
  return testPeer(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

/** A server of bytes: what it does with a connection is up to the test. */
async function serveBytes(onConnection: (socket: Socket) => void): Promise<number> {
  return listen(createServer(onConnection));
}

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

test("text goes both ways, and what a peer sends right away is not lost", async () => {
  const url = await serve((socket) => {
    socket.send("first");
    socket.on("message", (data) => socket.send(`echo ${String(data)}`));
  });
  const { socket, messages } = await open(url);
  socket.send("hello");
  await vi.waitFor(() => expect(messages).toEqual(["first", "echo hello"]), eventually);
});

test("messages that are no text are passed over", async () => {
  const url = await serve((socket) => {
    socket.send(Buffer.from([1, 2, 3]), { binary: true });
    socket.send("text");
  });
  const { messages } = await open(url);
  await vi.waitFor(() => expect(messages).toEqual(["text"]), eventually);
});

test("a pause stops reading until it is resumed", async () => {
  const sent: { peer?: WebSocket } = {};
  const url = await serve((peer) => {
    sent.peer = peer;
  });
  const { socket, messages } = await open(url);
  socket.pause();
  for (let count = 0; count < 50; count++) sent.peer?.send("x".repeat(100_000));
  await vi.waitFor(() => expect(sent.peer?.bufferedAmount).toBeGreaterThan(0), eventually);
  // Long enough for everything that is not held back to arrive.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(messages).toEqual([]);
  socket.resume();
  await vi.waitFor(() => expect(messages).toHaveLength(50), eventually);
});

test("closing is told once, as no failure; afterwards nothing is sent", async () => {
  const url = await serve();
  const { socket, ends } = await open(url);
  socket.close();
  socket.close();
  socket.send("too late");
  await vi.waitFor(() => expect(ends).toEqual([null]), eventually);
});

test("a peer that does not answer the close is left after 2 s", async () => {
  const clock = createVirtualClock();
  const url = await serve((peer) => peer.pause());
  const { socket, ends } = await open(url, { clock });
  socket.close();
  await clock.advanceBy(2_000);
  await vi.waitFor(() => expect(ends).toEqual([null]), eventually);
});

test("GR-353 the loss of a connection is told once, with what the peer said", async () => {
  const url = await serve((peer) => peer.close(1012, "restart\nnow"));
  const { ends } = await open(url);
  await vi.waitFor(() => expect(ends).toHaveLength(1), eventually);
  expect(ends[0]).toEqual({
    kind: "lost",
    code: "WS_1012",
    message: "the connection ended with code 1012: restart now",
  });
});

test("GR-353 a connection that breaks off is lost", async () => {
  const url = await serve((peer) => peer.terminate());
  const { ends } = await open(url);
  await vi.waitFor(() => expect(ends).toMatchObject([{ kind: "lost" }]), eventually);
});

test("GR-272 a message above 2 MiB ends the connection, which is no mistake of the protocol", async () => {
  const url = await serve((peer) => {
    peer.on("error", () => {});
    peer.send("x".repeat(2 * 1024 * 1024));
    peer.send("x".repeat(2 * 1024 * 1024 + 1));
  });
  const { messages, ends } = await open(url);
  await vi.waitFor(() => expect(ends).toHaveLength(1), eventually);
  expect(ends[0]).toMatchObject({ kind: "lost", code: "RELAY_TOO_LARGE" });
  expect(messages.map(({ length }) => length)).toEqual([2 * 1024 * 1024]);
});

test("GR-272 a small message that inflates beyond 2 MiB ends the connection", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 0 } });
  closers.push(() => server.close());
  server.on("connection", (peer) => {
    peer.on("error", () => {});
    peer.send("\0".repeat(40 * 1024 * 1024));
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const { messages, ends } = await open(testPeer(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`));
  await vi.waitFor(() => expect(ends).toHaveLength(1), eventually);
  expect(messages).toEqual([]);
});

test("an invalid frame is a mistake of the protocol", async () => {
  const server = createHttpServer();
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, () => socket.write(Buffer.from([0x8f, 0x00])));
  });
  const { ends } = await open(testPeer(`ws://127.0.0.1:${await listen(server)}`));
  await vi.waitFor(() => expect(ends).toMatchObject([{ kind: "protocol", code: "WS_ERR_INVALID_OPCODE" }]), eventually);
});

test("GR-242 a peer that gives no sign of life is asked for one, and lost without an answer", async () => {
  const clock = createVirtualClock();
  const pings: true[] = [];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", autoPong: false });
  closers.push(() => server.close());
  server.on("connection", (peer) => peer.on("ping", () => pings.push(true)));
  await new Promise((resolve) => server.once("listening", resolve));
  const { ends } = await open(testPeer(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`), { clock });
  await clock.advanceBy(55_000);
  await vi.waitFor(() => expect(pings).toHaveLength(1), eventually);
  await clock.advanceBy(30_000);
  await vi.waitFor(() => expect(ends).toMatchObject([{ kind: "lost", code: "ETIMEDOUT" }]), eventually);
});

test("a peer that answers pings stays, however quiet it is", async () => {
  const clock = createVirtualClock();
  const pings: true[] = [];
  const url = await serve((peer) => peer.on("ping", () => pings.push(true)));
  const { ends } = await open(url, { clock });
  for (let round = 1; round <= 2; round++) {
    // Each time 55 seconds after the last sign of life, which was the answer to the ping before.
    await clock.advanceBy(round === 1 ? 55_000 : 25_000);
    await vi.waitFor(() => expect(pings).toHaveLength(round), eventually);
    // Nothing shows when the answer is back; over the loopback it takes a turn of the loop or two. One long wait could be
    // over, after a stall, before the first of them.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
    await clock.advanceBy(30_000);
  }
  expect(ends).toEqual([]);
});

test("GR-353 nobody listening is a refusal", async () => {
  const port = await serveBytes(() => {});
  closers.pop()?.();
  await vi.waitFor(
    async () =>
      expect(await failureOf(open(testPeer(`ws://127.0.0.1:${port}`)))).toMatchObject({
        kind: "refused",
        code: "ECONNREFUSED",
      }),
    eventually,
  );
});

test("GR-353 a silent handshake ends in a timeout", async () => {
  const clock = createVirtualClock();
  const port = await serveBytes(() => void reached());
  const reached = vi.fn();
  const opening = failureOf(open(testPeer(`ws://127.0.0.1:${port}`), { clock }));
  await vi.waitFor(() => expect(reached).toHaveBeenCalled(), eventually);
  await clock.advanceBy(5_000);
  expect(await opening).toMatchObject({ kind: "timeout", code: "ETIMEDOUT" });
});

test("GR-353 a name that is never resolved ends in a timeout, too", async () => {
  const clock: VirtualClock = createVirtualClock();
  const opening = failureOf(
    open(testPeer("ws://slow.example.test"), { clock, guard: { resolve: () => new Promise(() => {}) } }),
  );
  await clock.advanceBy(5_000);
  expect(await opening).toMatchObject({ kind: "timeout" });
});

test("an attempt can be given up", async () => {
  const port = await serveBytes(() => {});
  const controller = new AbortController();
  const opening = failureOf(open(testPeer(`ws://127.0.0.1:${port}`), { signal: controller.signal }));
  controller.abort();
  expect(await opening).toMatchObject({ kind: "lost", code: "ABORT_ERR" });
});

test.each([
  ["404 Not Found", "HTTP_404"],
  ["200 OK", "HTTP_200"],
  ["503 Service Unavailable", "HTTP_503"],
])("the answer %s in place of a WebSocket is a mistake of the protocol", async (status, code) => {
  const port = await serveBytes((socket) => {
    socket.once("data", () => socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`));
  });
  expect(await failureOf(open(testPeer(`ws://127.0.0.1:${port}`)))).toMatchObject({ kind: "protocol", code });
});

test("a wrong accept key, or no HTTP at all, is a mistake of the protocol", async () => {
  const upgrade = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n";
  for (const answer of [`${upgrade}sec-websocket-accept: wrong\r\n\r\n`, "220 mail.example.test ESMTP\r\n\r\n"]) {
    const port = await serveBytes((socket) => void socket.once("data", () => socket.end(answer)));
    expect(await failureOf(open(testPeer(`ws://127.0.0.1:${port}`)))).toMatchObject({ kind: "protocol" });
  }
});

test("GR-395 a redirect is not followed", async () => {
  const reached = vi.fn();
  const target = await serve(reached);
  const port = await serveBytes((socket) => {
    socket.once("data", () => socket.end(`HTTP/1.1 301 Moved\r\nlocation: ${target}\r\ncontent-length: 0\r\n\r\n`));
  });
  expect(await failureOf(open(testPeer(`ws://127.0.0.1:${port}`)))).toMatchObject({
    kind: "protocol",
    code: "HTTP_301",
  });
  expect(reached).not.toHaveBeenCalled();
});

test.each([
  "ws://127.0.0.1:1",
  "ws://[::1]:1",
  "ws://10.0.0.1",
  "ws://192.168.1.1",
  "ws://169.254.169.254",
  "ws://100.64.0.1",
  "ws://[fd00::1]",
  "ws://[fe80::1]",
  "ws://[::ffff:127.0.0.1]",
  "ws://224.0.0.1",
  "ws://0x7f.1",
])("GR-395 %s is not called", async (text) => {
  expect(await failureOf(open(testPeer(text), { guard: {} }))).toMatchObject({
    kind: "target_not_allowed",
    code: "EGRESS_REFUSED",
  });
});

test("GR-395 a name with one private address among public ones is not called", async () => {
  const resolve = async (): Promise<string[]> => ["93.184.215.14", "127.0.0.1"];
  expect(await failureOf(open(testPeer("wss://peer.example.test"), { guard: { resolve } }))).toMatchObject({
    kind: "target_not_allowed",
  });
});

test("GR-395 a name is resolved once for a connection, which goes to the checked address, and again for the next", async () => {
  const hosts: (string | undefined)[] = [];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  closers.push(() => server.close());
  server.on("connection", (_peer, request) => hosts.push(request.headers.host));
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const url = testPeer(`ws://rebinding.example.test:${port}`);
  // First the address of the test's server, which is allowed; from the second question on one that is not.
  const answers = ["127.0.0.1"];
  const resolve = vi.fn(async () => [answers.shift() ?? "10.0.0.1"]);
  const guard = { allowPrivate: allowLoopback, resolve };
  await open(url, { guard });
  expect(resolve).toHaveBeenCalledTimes(1);
  expect(hosts).toEqual([`rebinding.example.test:${port}`]);
  expect(await failureOf(open(url, { guard }))).toMatchObject({ kind: "target_not_allowed" });
});

test.each([
  ["ENOTFOUND", "ENOTFOUND"],
  ["EAI_AGAIN", "EAI_AGAIN"],
])("a name that cannot be resolved is told with the code %s", async (code, expected) => {
  const resolve = (): Promise<string[]> => Promise.reject(Object.assign(new Error("getaddrinfo"), { code }));
  expect(await failureOf(open(testPeer("ws://peer.example.test"), { guard: { resolve } }))).toMatchObject({
    kind: "dns",
    code: expected,
  });
});

async function serveTls(name: string): Promise<{ readonly port: number; readonly certificate: string }> {
  const { certificate, privateKey } = createSelfSignedCertificate(name);
  const server = createHttpsServer({ cert: certificate, key: privateKey });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (peer) => peer.send("hello"));
  return { port: await listen(server), certificate };
}

const toLoopback = { allowPrivate: ["*.example.test"], resolve: async () => ["127.0.0.1"] };

test("GR-395 over TLS the certificate has to be that of the name, although the address is pinned", async () => {
  const { port, certificate } = await serveTls("peer.example.test");
  const options = { guard: toLoopback, certificateAuthorities: [certificate] };
  const { messages } = await open(testPeer(`wss://peer.example.test:${port}`), options);
  await vi.waitFor(() => expect(messages).toEqual(["hello"]), eventually);
  expect(await failureOf(open(testPeer(`wss://other.example.test:${port}`), options))).toMatchObject({
    kind: "tls",
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
  });
});

test("a certificate that nobody vouches for is a failure of TLS", async () => {
  const { port } = await serveTls("peer.example.test");
  expect(await failureOf(open(testPeer(`wss://peer.example.test:${port}`), { guard: toLoopback }))).toMatchObject({
    kind: "tls",
    code: "DEPTH_ZERO_SELF_SIGNED_CERT",
  });
});

test("GR-353 a server without TLS where it should be is a failure of TLS", async () => {
  const port = await serveBytes((socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 Bad\r\n\r\n")));
  expect(await failureOf(open(testPeer(`wss://127.0.0.1:${port}`)))).toMatchObject({ kind: "tls" });
});
