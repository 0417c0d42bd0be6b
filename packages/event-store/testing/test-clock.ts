import type { Timer, VirtualClock } from "@signalbox/kernel";

/** A virtual clock as it is given to a test, that knows which of the timers the test and its handlers have set. */
export interface TestClock extends VirtualClock {
  /** Due time of the earliest timer that was set through this face of the clock. */
  nextOwnTimerMs(): number | undefined;
}

/**
 * Another face of a clock. Handlers that wait for this one can be told from those that wait for something outside,
 * while the store's own timers, its timeouts above all, stay out of it.
 */
export function createTestClock(clock: VirtualClock): TestClock {
  const dueTimes = new Set<{ readonly dueMs: number }>();

  const setTimer = (delayMs: number, callback: () => void): Timer => {
    const own = { dueMs: clock.nowMs() + Math.max(0, delayMs) };
    dueTimes.add(own);
    const timer = clock.setTimer(delayMs, () => {
      dueTimes.delete(own);
      callback();
    });
    return {
      cancel() {
        dueTimes.delete(own);
        timer.cancel();
      },
    };
  };

  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    setTimer,
    sleep(delayMs, { signal } = {}) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const onAbort = (): void => {
          timer.cancel();
          reject(signal?.reason);
        };
        const timer = setTimer(delayMs, () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        });
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
    advanceBy: (durationMs) => clock.advanceBy(durationMs),
    nextTimerMs: () => clock.nextTimerMs(),
    nextOwnTimerMs() {
      let nextMs: number | undefined;
      for (const { dueMs } of dueTimes) nextMs = nextMs === undefined ? dueMs : Math.min(nextMs, dueMs);
      return nextMs;
    },
  };
}
