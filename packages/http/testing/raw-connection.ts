import { connect, type Socket } from "node:net";

/** A bare TCP connection, for what no HTTP client would send. */
export interface RawConnection {
  readonly socket: Socket;
  /** Everything received so far. */
  readonly received: string;
  send(text: string | Uint8Array): void;
  /** Resolves with everything received once `isEnough` says so; rejects when the connection ends before. */
  until(isEnough: (received: string) => boolean): Promise<string>;
  /** Resolves with everything received when the other side has closed. */
  closed(): Promise<string>;
}

export function openRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = "";
    let ended = false;
    const listeners = new Set<() => void>();
    const changed = (): void => {
      for (const listener of listeners) listener();
    };
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      changed();
    });
    socket.on("close", () => {
      ended = true;
      changed();
    });
    socket.on("error", () => {});
    const wait = (isDone: () => boolean, mayEnd: boolean): Promise<string> =>
      new Promise((done, fail) => {
        const check = (): void => {
          if (isDone()) done(received);
          else if (ended && !mayEnd) fail(new Error(`the connection ended after: ${received}`));
          else return;
          listeners.delete(check);
        };
        listeners.add(check);
        check();
      });
    socket.once("error", reject);
    socket.once("connect", () =>
      resolve({
        socket,
        get received() {
          return received;
        },
        send: (text) => void socket.write(text),
        until: (isEnough) => wait(() => isEnough(received), false),
        closed: () => wait(() => ended, true),
      }),
    );
  });
}
