import type { Time } from "./platform.js";
import { wait } from "./wait.js";

const failuresToOpen = 5;
const firstPauseMs = 5_000;
const longestPauseMs = 20_000;

/** Keeps requests from a tracker that does not answer: five failures in a row open it, one probe at a time asks again. */
export interface Breaker {
  readonly isOpen: boolean;
  /**
   * Resolves when a request may go. The caller must make it and report how it ended by one of the methods below, else no
   * other one goes. Resolves as well when the signal is aborted.
   */
  pass(signal: AbortSignal): Promise<void>;
  /** The tracker answered. */
  succeeded(): void;
  failed(): void;
  /** Opens at once: the next request would fail too. */
  open(): void;
}

export function createBreaker(clock: Time): Breaker {
  let failures = 0;
  let pauseMs = firstPauseMs;
  /** Monotonic; set while open. */
  let openUntilMs: number | undefined;
  let probing = false;
  /** Aborted for whoever waits, when there is something to look at again. */
  let change = new AbortController();

  const announce = (): void => {
    change.abort();
    change = new AbortController();
  };

  const open = (): void => {
    // Requests of other lanes that were under way may fail too; they say nothing new.
    if (openUntilMs !== undefined && !probing) return;
    if (probing) pauseMs = Math.min(longestPauseMs, pauseMs * 2);
    probing = false;
    openUntilMs = clock.monotonicMs() + pauseMs;
    announce();
  };

  return {
    get isOpen() {
      return openUntilMs !== undefined;
    },
    async pass(signal) {
      while (openUntilMs !== undefined && !signal.aborted) {
        const leftMs = openUntilMs - clock.monotonicMs();
        if (leftMs <= 0 && !probing) {
          probing = true;
          return;
        }
        await wait(clock, probing ? undefined : leftMs, change.signal, signal);
      }
    },
    succeeded() {
      failures = 0;
      pauseMs = firstPauseMs;
      probing = false;
      if (openUntilMs === undefined) return;
      openUntilMs = undefined;
      announce();
    },
    failed() {
      failures++;
      if (probing || failures >= failuresToOpen) open();
    },
    open,
  };
}
