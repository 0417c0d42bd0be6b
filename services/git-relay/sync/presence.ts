import type { Clock } from "@signalbox/kernel";

/** Looks lie two seconds apart: so much between two of them is no busy moment, but a stopped process or a sleeping machine. */
const absentAboveMs = 30_000;
/** A connection that died meanwhile shows it by then, since it is asked for a sign of life. */
const suspectForMs = 120_000;

/**
 * Knows when this process was not there to notice anything: what is found lost right after that may have been lost since
 * it began, and what others said meanwhile was not heard.
 */
export class Presence {
  readonly #clock: Clock;
  #lookedMs: number;
  #absence: { readonly sinceMs: number; readonly suspectUntilMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lookedMs = clock.nowMs();
  }

  /** To be called again and again. Timers stand still with the process, so the clock on the wall decides. */
  look(): void {
    const { nowMs, monotonicMs } = this.#clock;
    const now = nowMs();
    if (now - this.#lookedMs > absentAboveMs)
      this.#absence = { sinceMs: this.#lookedMs, suspectUntilMs: monotonicMs() + suspectForMs };
    this.#lookedMs = now;
  }

  /** Since when a connection that was just found lost may have been: now, or the beginning of an absence. Unix milliseconds. */
  lostSince(): number {
    this.look();
    const absence = this.#absence;
    return absence && this.#clock.monotonicMs() < absence.suspectUntilMs ? absence.sinceMs : this.#clock.nowMs();
  }
}
