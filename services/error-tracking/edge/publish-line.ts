import type { Clock } from "@signalbox/kernel";

/**
 * The events that the transport was given and has not answered for. A burst makes many of them and is over in a moment; what
 * makes clients wait, and memory grow, is a line that moves slower than it grows. So it is judged by the time that events
 * wait, not by their number.
 */
export class PublishLine {
  readonly #clock: Clock;
  readonly #maxWaitMs: number;
  /** By their beginning, the first one first. */
  readonly #waiting = new Set<{ readonly sinceMs: number }>();
  #lastTakenAfterMs = 0;

  constructor(clock: Clock, maxWaitMs: number) {
    this.#clock = clock;
    this.#maxWaitMs = maxWaitMs;
  }

  /** How long the first in the line has waited; 0 when nobody does. */
  get waitedMs(): number {
    for (const { sinceMs } of this.#waiting) return this.#clock.monotonicMs() - sinceMs;
    return 0;
  }

  /**
   * Whether who joins now would wait too long: the last one that was taken had, and the first of those that are left has. A
   * transport that takes nothing at all is no line, it is away: who waits for it is told so in time.
   */
  get isTooLong(): boolean {
    return this.#lastTakenAfterMs > this.#maxWaitMs && this.waitedMs > this.#maxWaitMs;
  }

  /** Counts from the call until its end, whoever still waits for it. */
  async join<T>(publish: () => Promise<T>): Promise<T> {
    const place = { sinceMs: this.#clock.monotonicMs() };
    this.#waiting.add(place);
    try {
      const published = await publish();
      this.#lastTakenAfterMs = this.#clock.monotonicMs() - place.sinceMs;
      return published;
    } finally {
      this.#waiting.delete(place);
    }
  }
}
