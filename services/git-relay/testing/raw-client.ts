import { WebSocket } from "ws";

/** A client that says exactly what a test wants it to say. */
export interface RawClient {
  readonly socket: WebSocket;
  /** Every message so far, parsed. */
  readonly messages: readonly (readonly unknown[])[];
  /** Sends JSON, or text as it is. */
  send(message: unknown): void;
  /** The first message from now on, or kept since the last call, that fits; the ones before it are passed over. */
  next(fits?: (message: readonly unknown[]) => boolean): Promise<readonly unknown[]>;
  /** All messages up to and with the next one of this type. */
  until(type: string): Promise<(readonly unknown[])[]>;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  close(): Promise<void>;
}

const patienceMs = 15_000;

export async function connectRaw(url: string, headers: Readonly<Record<string, string>> = {}): Promise<RawClient> {
  const socket = new WebSocket(url, { headers, maxPayload: 0 });
  const messages: (readonly unknown[])[] = [];
  let seen = 0;
  let wake = (): void => {};
  socket.on("message", (data) => {
    messages.push(JSON.parse(String(data)));
    wake();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once("close", (code, reason) => {
      resolve({ code, reason: reason.toString() });
      wake();
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  socket.on("error", () => {});

  const next: RawClient["next"] = async (fits = () => true) => {
    const untilMs = performance.now() + patienceMs;
    for (;;) {
      while (seen < messages.length) {
        const message = messages[seen++];
        if (message && fits(message)) return message;
      }
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0 || socket.readyState === socket.CLOSED)
        throw new Error(`the message did not come; the last were ${JSON.stringify(messages.slice(-3)).slice(0, 500)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };

  return {
    socket,
    messages,
    closed,
    next,
    send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    async until(type) {
      const found: (readonly unknown[])[] = [];
      for (;;) {
        const message = await next();
        found.push(message);
        if (message[0] === type) return found;
      }
    },
    async close() {
      socket.close();
      await closed;
    },
  };
}
