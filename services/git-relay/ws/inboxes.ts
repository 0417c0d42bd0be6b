import type { Clock } from "@signalbox/kernel";

/** Messages of one connection that wait for their turn. */
export interface Inbox {
  readonly waiting: number;
  readonly isHeld: boolean;
  /** Hands the message over when the connection's turn comes: at once if nobody waits. */
  add(message: string): void;
  /** While it is held nothing is handed over. */
  hold(): void;
  release(): void;
}

/**
 * The messages of all connections, a bounded time of work in each turn of the event loop: however much comes at once,
 * whatever else the process does has its turns in between. Connections take turns, one message each, so that one with
 * few messages does not wait behind one with many; the messages of one keep their order.
 */
export interface Inboxes {
  open(receive: (message: string) => void): Inbox;
}

/** A turn that has taken so long hands over no further message. */
const turnMs = 4;

export function createInboxes(clock: Pick<Clock, "monotonicMs">): Inboxes {
  /** Have messages and are not held, in the order of their turns. */
  const ready = new Set<WaitingMessages>();
  let spentMs = 0;
  let isEnding = false;

  const handOver = (receive: (message: string) => void, message: string): void => {
    const startedMs = clock.monotonicMs();
    try {
      receive(message);
    } finally {
      spentMs += clock.monotonicMs() - startedMs;
      endTurn();
    }
  };
  const endTurn = (): void => {
    if (isEnding) return;
    isEnding = true;
    setImmediate(nextTurn);
  };
  const nextTurn = (): void => {
    isEnding = false;
    spentMs = 0;
    for (const inbox of ready) {
      if (spentMs >= turnMs) break;
      // Those that have more are visited again by this loop, after the others.
      ready.delete(inbox);
      inbox.handOverOne();
    }
    if (ready.size > 0) endTurn();
  };

  class WaitingMessages implements Inbox {
    readonly #receive: (message: string) => void;
    #messages: string[] = [];
    #taken = 0;
    #isHeld = false;

    constructor(receive: (message: string) => void) {
      this.#receive = receive;
    }

    get waiting(): number {
      return this.#messages.length - this.#taken;
    }

    get isHeld(): boolean {
      return this.#isHeld;
    }

    add(message: string): void {
      if (ready.size === 0 && this.waiting === 0 && !this.#isHeld && spentMs < turnMs) {
        handOver(this.#receive, message);
        return;
      }
      this.#messages.push(message);
      this.#queue();
    }

    hold(): void {
      this.#isHeld = true;
      ready.delete(this);
    }

    release(): void {
      this.#isHeld = false;
      this.#queue();
    }

    handOverOne(): void {
      const message = this.#messages[this.#taken++];
      if (this.#taken === this.#messages.length) {
        this.#messages = [];
        this.#taken = 0;
      }
      // In line again before its message can hold it.
      this.#queue();
      if (message !== undefined) handOver(this.#receive, message);
    }

    #queue(): void {
      if (this.waiting === 0 || this.#isHeld) return;
      ready.add(this);
      endTurn();
    }
  }

  return { open: (receive) => new WaitingMessages(receive) };
}
