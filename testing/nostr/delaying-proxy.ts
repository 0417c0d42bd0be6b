import { setTimeout as sleep } from "node:timers/promises";
import { type WebSocket, WebSocketServer, WebSocket as WebSocketTo } from "ws";

export interface DelayingProxyOptions {
  readonly port: number;
  /** The relay behind it. */
  readonly target: string;
  /** How long a connection waits for its handshake. */
  readonly handshakeMs: number;
  /** How long each message of the relay is kept before the next one may follow. */
  readonly messageMs: number;
}

/** Stands between a relay and those who sync from it, and takes its time. */
export interface DelayingProxy {
  readonly url: string;
  /** Messages of the relay that went through. */
  readonly passed: number;
  close(): Promise<void>;
}

export async function startDelayingProxy(options: DelayingProxyOptions): Promise<DelayingProxy> {
  const { port, target, handshakeMs, messageMs } = options;
  let passed = 0;
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port,
    perMessageDeflate: false,
    maxPayload: 0,
    verifyClient: (_request, answer) => void sleep(handshakeMs).then(() => answer(true)),
  });
  server.on("connection", (near) => {
    const far = new WebSocketTo(target, { maxPayload: 0 });
    const opened = new Promise((resolve) => far.once("open", resolve));
    for (const socket of [near, far]) socket.on("error", () => {});
    near.on("message", (data) => void opened.then(() => far.send(String(data))));
    let last: Promise<void> = Promise.resolve();
    far.on("message", (data) => {
      last = last
        .then(() => (messageMs > 0 ? sleep(messageMs) : undefined))
        .then(() => {
          passed++;
          near.send(String(data));
        });
    });
    closeTogether(near, far);
    closeTogether(far, near);
  });
  await new Promise((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  });
  return {
    url: `ws://127.0.0.1:${port}`,
    get passed() {
      return passed;
    },
    close() {
      for (const client of server.clients) client.terminate();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function closeTogether(one: WebSocket, other: WebSocket): void {
  one.once("close", () => other.terminate());
}
