import type { Socket } from "node:net";
import type { Clock } from "@signalbox/kernel";
import { WebSocket } from "ws";

/** What waits to be sent to one client. */
export interface Outbox {
  /** Sends a message; drops it when the connection is closing. */
  send(text: string): void;
  /** What `work` sends goes out in one write. */
  together(work: () => void): void;
  /** Resolves when little waits to be sent, or the connection is gone. */
  drained(): Promise<void>;
}

/** What carries a connection. */
export interface OutboxCarrier {
  readonly socket: OutboxSocket;
  readonly carrier: Pick<Socket, "cork" | "uncork">;
}

/** What an outbox needs of a WebSocket. */
export interface OutboxSocket {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(text: string, sent: () => void): void;
  close(code: number, reason: string): void;
  terminate(): void;
  on(event: "ping", listener: () => void): unknown;
  once(event: "close", listener: () => void): unknown;
}

/**
 * What waits to be sent is bounded, for each client and for all together. Who has more waiting than one may have is let
 * go. When all have more than there is room for, those go who take most of it for longest: bytes times the time that
 * they have waited. So many clients that read nothing cannot fill the memory, and a slow one that reads is the last to
 * suffer from them.
 */
export interface Outboxes {
  /** Bytes that wait in all of them. */
  readonly waitingBytes: number;
  open(carrier: OutboxCarrier): Outbox;
}

export interface OutboxesOptions {
  readonly maxBytes: number;
  readonly maxBytesPerConnection: number;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Called once for each connection that was closed, with the limit that it, or all together, had exceeded. */
  onOverflow(limit: OutboxLimit, waitingBytes: number): void;
}

export type OutboxLimit = "connection" | "relay";

/** More than this in the queue makes long answers wait. */
const calmBytes = 1024 * 1024;
/** Try again later. */
const overloadCode = 1013;

export function createOutboxes({ maxBytes, maxBytesPerConnection, clock, onOverflow }: OutboxesOptions): Outboxes {
  /** Those in which something waits. */
  const waiting = new Set<Queue>();
  let waitingBytes = 0;

  /** Ends the connections that are in the way of the others until the rest has room. */
  const makeRoom = (): void => {
    while (waitingBytes > maxBytes) {
      const nowMs = clock.monotonicMs();
      let dearest: Queue | undefined;
      for (const queue of waiting) if (!dearest || queue.cost(nowMs) > dearest.cost(nowMs)) dearest = queue;
      if (!dearest) return;
      dearest.overflow("relay");
    }
  };

  class Queue implements Outbox {
    readonly #socket: OutboxSocket;
    readonly #carrier: OutboxCarrier["carrier"];
    #bytes = 0;
    /** Since when what was last in the queue at that time has been waiting. */
    #markedMs = 0;
    #untilMark = 0;
    #overflowed = false;
    #resolves: (() => void)[] = [];

    constructor({ socket, carrier }: OutboxCarrier) {
      this.#socket = socket;
      this.#carrier = carrier;
      socket.once("close", this.#sent);
      // Each is answered without our doing.
      socket.on("ping", () => this.#bound());
    }

    send(text: string): void {
      if (this.#overflowed || this.#socket.readyState !== WebSocket.OPEN) return;
      this.#socket.send(text, this.#sent);
      this.#bound();
    }

    together(work: () => void): void {
      this.#carrier.cork();
      try {
        work();
      } finally {
        this.#carrier.uncork();
        this.#count();
      }
    }

    drained(): Promise<void> {
      return new Promise((resolve) => {
        this.#resolves.push(resolve);
        this.#wake();
      });
    }

    /** What keeping the queue has cost so far. */
    cost(nowMs: number): number {
      return this.#bytes * (nowMs - this.#markedMs + 1);
    }

    overflow(limit: OutboxLimit): void {
      this.#overflowed = true;
      const bytes = this.#bytes;
      this.#socket.close(overloadCode, "too slow");
      // What is queued before the close frame will hardly be read.
      this.#socket.terminate();
      this.#forget();
      onOverflow(limit, bytes);
    }

    readonly #sent = (): void => {
      this.#count();
      this.#wake();
    };

    #bound(): void {
      this.#count();
      if (this.#overflowed) return;
      if (this.#bytes > maxBytesPerConnection) this.overflow("connection");
      else if (waitingBytes > maxBytes) makeRoom();
    }

    #count(): void {
      if (this.#overflowed) return;
      if (this.#socket.readyState === WebSocket.CLOSED) {
        this.#forget();
        return;
      }
      const bytes = this.#socket.bufferedAmount;
      if (bytes === this.#bytes) return;
      const sent = this.#bytes - bytes;
      waitingBytes -= sent;
      this.#bytes = bytes;
      if (bytes === 0) {
        waiting.delete(this);
        this.#untilMark = 0;
        return;
      }
      waiting.add(this);
      if (sent > 0) this.#untilMark -= sent;
      if (this.#untilMark > 0) return;
      this.#untilMark = bytes;
      this.#markedMs = clock.monotonicMs();
    }

    #forget(): void {
      waitingBytes -= this.#bytes;
      this.#bytes = 0;
      waiting.delete(this);
    }

    #wake(): void {
      if (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount > calmBytes) return;
      const woken = this.#resolves;
      this.#resolves = [];
      for (const resolve of woken) resolve();
    }
  }

  return {
    get waitingBytes() {
      return waitingBytes;
    },
    open: (carrier) => new Queue(carrier),
  };
}
