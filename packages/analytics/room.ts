import { AnalyticsError } from "./errors.js";

export interface RoomLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly maxWaiting: number;
}

interface Waiter {
  readonly rows: number;
  enter(): void;
  reject(reason: unknown): void;
}

/** Bounded space for rows. Who finds none waits in line. Something larger than the room enters when it is empty. */
export class Room {
  readonly #limits: RoomLimits;
  #rows = 0;
  #bytes = 0;
  readonly #waiters: Waiter[] = [];
  #closed: AnalyticsError | undefined;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /** @throws {AnalyticsError} `ANALYTICS_OVERLOADED` when too many wait already; the reason for closing. */
  async enter(rows: number): Promise<void> {
    if (this.#closed) throw this.#closed;
    if (this.#waiters.length === 0 && this.#hasRoom(rows)) {
      this.#rows += rows;
      return;
    }
    if (this.#waiters.length >= this.#limits.maxWaiting) throw new AnalyticsError("ANALYTICS_OVERLOADED");
    await new Promise<void>((resolve, reject) => this.#waiters.push({ rows, enter: resolve, reject }));
  }

  /** Rejects everyone who waits or comes. */
  close(reason: AnalyticsError): void {
    this.#closed = reason;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
  }

  /** The size is known only after entering. */
  addBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  leave(rows: number, bytes: number): void {
    this.#rows -= rows;
    this.#bytes -= bytes;
    for (let next = this.#waiters[0]; next && this.#hasRoom(next.rows); next = this.#waiters[0]) {
      this.#waiters.shift();
      this.#rows += next.rows;
      next.enter();
    }
  }

  #hasRoom(rows: number): boolean {
    if (this.#rows === 0) return true;
    return this.#rows + rows <= this.#limits.maxRows && this.#bytes < this.#limits.maxBytes;
  }
}
