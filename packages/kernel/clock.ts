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
  /**
   * Resolves after at least `delayMs`; rejects with the signal's reason when it is aborted. Keeps the process alive
   * meanwhile, since somebody waits for it.
   */
  sleep(delayMs: number, options?: SleepOptions): Promise<void>;
}

export interface SleepOptions {
  readonly signal?: AbortSignal | undefined;
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
    return startTimer(delayMs, callback, { keepsProcessAlive: false });
  }

  sleep(delayMs: number, { signal }: SleepOptions = {}): Promise<void> {
    return sleepOn((callback) => startTimer(delayMs, callback, { keepsProcessAlive: true }), signal);
  }
}

function startTimer(delayMs: number, callback: () => void, options: { readonly keepsProcessAlive: boolean }): Timer {
  const dueMs = performance.now() + delayMs;
  let handle: NodeJS.Timeout;
  const arm = (): void => {
    const remainingMs = Math.max(0, Math.ceil(dueMs - performance.now()));
    handle = setTimeout(onTimeout, Math.min(remainingMs, longestTimeoutMs));
    if (!options.keepsProcessAlive) handle.unref();
  };
  // Node's timers may fire a fraction of a millisecond early, and long ones come in pieces.
  const onTimeout = (): void => {
    if (performance.now() < dueMs) arm();
    else callback();
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}

function sleepOn(start: (callback: () => void) => Timer, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = start(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export const systemClock: Clock = new SystemClock();

interface VirtualTimer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** A clock that only moves when told to. Timers fire in due order, equal ones in the order they were set. */
export interface VirtualClock extends Clock {
  /** Moves time forward and runs every timer that falls due, letting promise callbacks settle in between. */
  advanceBy(durationMs: number): Promise<void>;
  /** Due time of the earliest timer, or `undefined` when none is set. */
  nextTimerMs(): number | undefined;
}

export function isVirtualClock(clock: Clock): clock is VirtualClock {
  return "advanceBy" in clock && "nextTimerMs" in clock;
}

export function createVirtualClock(startMs = Date.UTC(2026, 0, 1)): VirtualClock {
  let currentMs = startMs;
  /** Sorted by due time; equal ones in the order they were set. */
  const timers: VirtualTimer[] = [];

  const setTimer = (delayMs: number, callback: () => void): Timer => {
    const timer: VirtualTimer = { dueMs: currentMs + Math.max(0, delayMs), callback };
    timers.splice(firstLater(timers, timer.dueMs), 0, timer);
    return {
      cancel() {
        const index = timers.indexOf(timer);
        if (index >= 0) timers.splice(index, 1);
      },
    };
  };

  return {
    nowMs: () => currentMs,
    monotonicMs: () => currentMs - startMs,
    setTimer,
    sleep: (delayMs, options = {}) => sleepOn((callback) => setTimer(delayMs, callback), options.signal),
    nextTimerMs: () => timers[0]?.dueMs,
    async advanceBy(durationMs) {
      const targetMs = currentMs + durationMs;
      await settlePromises();
      for (let due = timers[0]; due && due.dueMs <= targetMs; due = timers[0]) {
        timers.shift();
        currentMs = Math.max(currentMs, due.dueMs);
        due.callback();
        await settlePromises();
      }
      currentMs = Math.max(currentMs, targetMs);
    },
  };
}

/** Index of the first timer that is due after `dueMs`. */
function firstLater(timers: readonly VirtualTimer[], dueMs: number): number {
  let low = 0;
  let high = timers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((timers[middle]?.dueMs ?? Number.POSITIVE_INFINITY) <= dueMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Lets everything that waits for already settled promises run, also chains of them. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
