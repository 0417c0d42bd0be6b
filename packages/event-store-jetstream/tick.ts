import type { Clock, Timer } from "@signalbox/kernel";

const everyMs = 50;

/**
 * Tells when what is read from the connection now was sent at the latest. A process that was stopped or blocked reads old
 * messages; their leases have begun when the server sent them.
 */
export class Tick {
  readonly #clock: Clock;
  #sinceMs: number;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
    this.#arm();
  }

  /** Monotonic; everything sent before had been read by then. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(everyMs, () => {
      const nowMs = this.#clock.monotonicMs();
      // Timers run before sockets are read, and immediates after.
      setImmediate(() => {
        this.#sinceMs = nowMs;
        if (this.#timer) this.#arm();
      });
    });
  }
}
