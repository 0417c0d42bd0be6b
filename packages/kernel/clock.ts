export interface Timer {
  /** Stops the timer; a second call, or one after it fired, does nothing. */
  cancel(): void;
}

/** Time as a dependency, so that every wait in the product can be driven by a test. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Monotonic clock in milliseconds with fractions; only differences mean something. */
  monotonicMs(): number;
  /** Runs `callback` once after at least `delayMs`. The timer never keeps the process alive by itself. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Resolves after at least `delayMs`; rejects with the signal's reason when it is aborted. */
  sleep(delayMs: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

/** `setTimeout` treats larger delays as 1 ms. */
const longestTimeoutMs = 2_147_483_647;

class SystemClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const dueMs = this.monotonicMs() + delayMs;
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const remainingMs = dueMs - this.monotonicMs();
      handle = setTimeout(
        () => {
          if (dueMs - this.monotonicMs() > 1) arm();
          else callback();
        },
        Math.min(Math.max(0, Math.ceil(remainingMs)), longestTimeoutMs),
      );
      handle.unref();
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  }

  sleep(delayMs: number, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    return sleepOn(this, delayMs, options.signal);
  }
}

function sleepOn(clock: Clock, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export const systemClock: Clock = new SystemClock();

interface VirtualTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that only moves when told to. Timers fire in due order, equal ones in the order they were set. */
export interface VirtualClock extends Clock {
  /** Moves time forward and runs every timer that falls due, letting promise callbacks settle in between. */
  advanceBy(durationMs: number): Promise<void>;
  /** Due time of the earliest timer, or `undefined` when none is set. */
  nextTimerMs(): number | undefined;
}

export function createVirtualClock(startMs = Date.UTC(2026, 0, 1)): VirtualClock {
  let currentMs = startMs;
  let order = 0;
  let timers: VirtualTimer[] = [];

  const next = (): VirtualTimer | undefined => {
    let earliest: VirtualTimer | undefined;
    for (const timer of timers) {
      if (!earliest || timer.dueMs < earliest.dueMs || (timer.dueMs === earliest.dueMs && timer.order < earliest.order))
        earliest = timer;
    }
    return earliest;
  };

  const clock: VirtualClock = {
    nowMs: () => currentMs,
    monotonicMs: () => currentMs - startMs,
    setTimer(delayMs, callback) {
      const timer: VirtualTimer = { dueMs: currentMs + Math.max(0, delayMs), order: order++, callback };
      timers.push(timer);
      return {
        cancel: () => {
          timers = timers.filter((other) => other !== timer);
        },
      };
    },
    sleep: (delayMs, options = {}) => sleepOn(clock, delayMs, options.signal),
    nextTimerMs: () => next()?.dueMs,
    async advanceBy(durationMs) {
      const targetMs = currentMs + durationMs;
      await settlePromises();
      for (let timer = next(); timer && timer.dueMs <= targetMs; timer = next()) {
        const due = timer;
        timers = timers.filter((other) => other !== due);
        currentMs = Math.max(currentMs, due.dueMs);
        due.callback();
        await settlePromises();
      }
      currentMs = targetMs;
    },
  };
  return clock;
}

/** Lets everything that waits for already settled promises run, also chains of them. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
