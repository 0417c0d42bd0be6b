import type { Socket } from "node:net";
import type { WebSocket } from "ws";

/** What waits to be sent to one client is bounded: who does not read is let go. */
export interface Outbox {
  /** Sends a message; drops it when the connection is closing. */
  send(text: string): void;
  /** What `work` sends goes out in one write. */
  together(work: () => void): void;
  /** Resolves when little waits to be sent, or the connection is gone. */
  drained(): Promise<void>;
}

export interface OutboxOptions {
  readonly socket: WebSocket;
  /** What carries it. */
  readonly carrier: Socket;
  readonly maxQueuedBytes: number;
  /** Called once, after the connection was closed for what waits. */
  onOverflow(): void;
}

/** More than this in the queue makes long answers wait. */
const calmBytes = 1024 * 1024;
/** Try again later. */
const overloadCode = 1013;

export function createOutbox({ socket, carrier, maxQueuedBytes, onOverflow }: OutboxOptions): Outbox {
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    if (socket.readyState === socket.OPEN && socket.bufferedAmount > calmBytes) return;
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  };
  socket.once("close", wake);
  let overflowed = false;

  return {
    send(text) {
      if (overflowed || socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > maxQueuedBytes) {
        overflowed = true;
        socket.close(overloadCode, "too slow");
        // What is queued before the close frame will hardly be read.
        socket.terminate();
        onOverflow();
        return;
      }
      socket.send(text, wake);
    },
    together(work) {
      carrier.cork();
      try {
        work();
      } finally {
        carrier.uncork();
      }
    },
    drained: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        wake();
      }),
  };
}
