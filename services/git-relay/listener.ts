import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { addressGroup, type ClientAddresses, findHeadFault, targetPath } from "@signalbox/http";
import { type Clock, createService, errorCode, type Logger, type Service, type Timer } from "@signalbox/kernel";
import { type WebSocket, WebSocketServer } from "ws";
import { RelayError } from "./errors.js";
import { icon } from "./http/icon.js";
import { type LandingPage, landingPagePolicy, renderLandingPage } from "./http/landing-page.js";
import type { RelayMetrics } from "./metrics.js";
import type { ClientSocket, Connection } from "./ws/connection.js";

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** 0: no limit. */
  readonly maxConnectionsPerAddress: number;
  /** Connections beyond which an address is reported. */
  readonly abuseThreshold: number;
  readonly clientAddresses: ClientAddresses;
  /** The description for clients (NIP-11), ready to be sent; asked for each time. */
  information(): string;
  landingPage(): LandingPage;
  /** Speaks with a client over an open socket. */
  serve(client: ClientSocket): Connection;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RelayMetrics;
}

export interface RelayListener {
  readonly service: Service;
  /** Host and port that it listens on; what was configured before it does. */
  readonly address: string;
}

const headersTimeoutMs = 10_000;
/** How often slow clients are looked for; Node's own default is half a minute. */
const lookEveryMs = 2_000;
const keepAliveTimeoutMs = 65_000;
const pingMs = 55_000;
const pongMs = 30_000;
/** Messages below this size are sent as they are. */
const compressedFromBytes = 1_024;
const stopMs = 5_000;
const reportMs = 3_600_000;

/** Sent with everything: clients run in web pages of anywhere. */
const corsHeaders = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers":
    "Content-Type, Authorization, Git-Protocol, Accept, Content-Encoding, X-Requested-With",
};

interface OpenConnection {
  readonly connection: Connection;
  readonly socket: WebSocket;
}

/** The relay's own port: WebSocket, and at the same address its description and a page for people. */
export function createRelayListener(options: ListenerOptions): RelayListener {
  const { clock, logger, metrics } = options;
  const addresses = createAddressBook(options);
  const open = new Set<OpenConnection>();
  let stopping = false;
  const timeouts = {
    headersTimeout: headersTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: lookEveryMs,
    // `findHeadFault` looks at it, so that its absence is answered like everything else.
    requireHostHeader: false,
  };
  const server = createServer(timeouts, (...both) => answer(...both, options));
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxMessageBytes,
    perMessageDeflate: {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      threshold: compressedFromBytes,
      concurrencyLimit: 4,
    },
  });

  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // A client that goes away during the handshake is nobody's error.
    socket.on("error", () => socket.destroy());
    const address = addressGroup(options.clientAddresses.of(socket, request.headers["x-forwarded-for"]));
    if (findHeadFault(request) !== undefined) refuseUpgrade(socket, "400 Bad Request");
    else if (pathOf(request) !== "/") refuseUpgrade(socket, "404 Not Found");
    else if (stopping || open.size >= options.maxConnections || !addresses.mayEnter(address))
      refuseUpgrade(socket, "503 Service Unavailable");
    else
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        accept(webSocket, request, address);
      });
  });

  // What is no handshake, or not even HTTP, is answered like everything else.
  sockets.on("wsClientError", (_, socket) =>
    refuseUpgrade(socket, "400 Bad Request", { "sec-websocket-version": "13" }),
  );
  server.on("clientError", (error, socket) => {
    const status = statusOfBadRequest.get(errorCode(error) ?? "") ?? "400 Bad Request";
    if (socket.writable) refuseUpgrade(socket, status);
    else socket.destroy();
  });

  const accept = (socket: WebSocket, request: IncomingMessage, address: string): void => {
    const startedMs = clock.monotonicMs();
    metrics.connected();
    addresses.enter(address);
    const stopWatching = watchLife(socket, clock);
    // Oversized and malformed frames close the connection by themselves; what is left to do comes with `close`.
    socket.on("error", (error) => logger.debug("a connection failed", { error }));
    const entry = { socket, connection: options.serve({ socket, request, address }) };
    open.add(entry);
    socket.once("close", () => {
      open.delete(entry);
      stopWatching();
      addresses.leave(address);
      metrics.disconnected((clock.monotonicMs() - startedMs) / 1_000);
    });
  };

  const stop = async (deadlineMs: number): Promise<void> => {
    stopping = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const { connection } of open) connection.shutDown();
    // Clients that do not answer the close are not waited for.
    const timer = clock.setTimer(Math.min(stopMs, deadlineMs), () => {
      for (const { socket } of open) socket.terminate();
      server.closeAllConnections();
    });
    server.closeIdleConnections();
    if (server.listening || open.size > 0) await closed;
    timer.cancel();
  };

  return {
    service: createService({
      name: "relay listener",
      start: () => listen(server, options),
      stop: ({ deadlineMs = stopMs }) => stop(deadlineMs),
    }),
    get address() {
      const bound = server.address();
      const port = typeof bound === "object" && bound !== null ? bound.port : options.port;
      return `${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`;
    },
  };
}

function listen(server: Server, { host, port }: ListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new RelayError("RELAY_LISTEN_FAILED", {
          cause,
          message: `The relay cannot listen on ${host}:${port} (${errorCode(cause) ?? "unknown reason"})`,
        }),
      ),
    );
    server.listen(port, host, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

/** Plain HTTP, decided in this order: OPTIONS, the description, the page, the icon, nothing else. */
function answer(request: IncomingMessage, response: ServerResponse, options: ListenerOptions): void {
  for (const [name, value] of Object.entries(corsHeaders)) response.setHeader(name, value);
  response.setHeader("x-content-type-options", "nosniff");
  const send = (status: number, headers: Readonly<Record<string, string>>, body: string | Buffer): void => {
    response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
    response.end(request.method === "HEAD" ? undefined : body);
  };
  const text = { "content-type": "text/plain; charset=utf-8" };
  const path = pathOf(request);
  const fault = findHeadFault(request);
  if (fault !== undefined) send(400, { ...text, connection: "close" }, `${fault}\n`);
  else if (request.method === "OPTIONS") {
    response.writeHead(204);
    response.end();
  } else if (path !== "/" && path !== "/icon.png") send(404, text, "not found\n");
  else if (request.method !== "GET" && request.method !== "HEAD")
    send(405, { ...text, allow: "GET, HEAD, OPTIONS" }, "method not allowed\n");
  else if (path === "/icon.png") send(200, { "content-type": "image/png", "cache-control": "max-age=86400" }, icon);
  else if (request.headers.accept?.includes("application/nostr+json"))
    send(200, { "content-type": "application/nostr+json", vary: "accept" }, options.information());
  else
    send(
      200,
      { "content-type": "text/html; charset=utf-8", vary: "accept", "content-security-policy": landingPagePolicy },
      renderLandingPage(options.landingPage()),
    );
}

function pathOf(request: IncomingMessage): string {
  return targetPath(request.url ?? "/").replace(/[?#].*$/s, "");
}

const statusOfBadRequest: ReadonlyMap<string, string> = new Map([
  ["ERR_HTTP_REQUEST_TIMEOUT", "408 Request Timeout"],
  ["HPE_HEADER_OVERFLOW", "431 Request Header Fields Too Large"],
]);

function refuseUpgrade(socket: Duplex, status: string, more: Readonly<Record<string, string>> = {}): void {
  const headers = Object.entries({ ...corsHeaders, ...more }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status}\r\n${headers.join("")}connection: close\r\ncontent-length: 0\r\n\r\n`);
}

/** Pings now and then; a client that does not answer in time is gone. Returns how to end it. */
function watchLife(socket: WebSocket, clock: Clock): () => void {
  let timer: Timer;
  const wait = (): void => {
    timer = clock.setTimer(pingMs, () => {
      socket.ping();
      timer = clock.setTimer(pongMs, () => socket.terminate());
    });
  };
  socket.on("pong", () => {
    timer.cancel();
    wait();
  });
  wait();
  return () => timer.cancel();
}

/** Counts connections by address. */
function createAddressBook({ maxConnectionsPerAddress, abuseThreshold, clock, logger, metrics }: ListenerOptions) {
  const connections = new Map<string, number>();
  const reportedMs = new Map<string, number>();
  const tell = (): void =>
    metrics.addresses(connections.size, [...connections.values()].filter((count) => count > abuseThreshold).length);
  const report = (address: string, count: number): void => {
    const lastMs = reportedMs.get(address);
    if (count <= abuseThreshold || (lastMs !== undefined && clock.monotonicMs() - lastMs < reportMs)) return;
    for (const [known, atMs] of reportedMs) if (clock.monotonicMs() - atMs >= reportMs) reportedMs.delete(known);
    reportedMs.set(address, clock.monotonicMs());
    logger.warn("an address has unusually many connections", { address, connections: count });
  };
  return {
    mayEnter(address: string): boolean {
      return maxConnectionsPerAddress === 0 || (connections.get(address) ?? 0) < maxConnectionsPerAddress;
    },
    enter(address: string): void {
      const count = (connections.get(address) ?? 0) + 1;
      connections.set(address, count);
      report(address, count);
      tell();
    },
    leave(address: string): void {
      const count = (connections.get(address) ?? 0) - 1;
      if (count > 0) connections.set(address, count);
      else connections.delete(address);
      tell();
    },
  };
}
