import { setImmediate, setTimeout } from "node:timers/promises";

export interface PaceOptions {
  /** Longest time that the loop holds the event loop in one go. Default: 5 ms. */
  readonly sliceMs?: number;
  /** Whether the loop rests while there is urgent work. `false` for work that somebody waits for. Default: true. */
  readonly rests?: boolean;
}

/** Called after each item of a long loop: `undefined` to go on, a promise to wait for first. */
export type Pace = () => Promise<void> | undefined;

/** While there is urgent work, a loop rests for this many times what its slice took. */
const restFactor = 3;

let urgentWork = 0;

/** Says that something began that somebody waits for, such as a request. Loops that pace themselves then make room. */
export function noteUrgentWork(): void {
  urgentWork++;
}

/** How often urgent work was noted in this process so far; only differences mean something. */
export function urgentWorkNoted(): number {
  return urgentWork;
}

/**
 * Lets a long loop give way: `await pace()` after each item costs nothing until the slice is used up. Then everything
 * else has a turn; and when urgent work was noted since the last slice, the loop rests for three times its slice. Work
 * that can wait so leaves most of a busy process to requests that cannot, and loses nothing in a quiet one.
 */
export function createPace({ sliceMs = 5, rests = true }: PaceOptions = {}): Pace {
  let sliceStartMs = performance.now();
  let seenUrgentWork = urgentWork;
  const giveWay = async (tookMs: number): Promise<void> => {
    await setImmediate();
    if (rests && urgentWork !== seenUrgentWork) {
      await setTimeout(tookMs * restFactor);
      seenUrgentWork = urgentWork;
    }
    sliceStartMs = performance.now();
  };
  return () => {
    const tookMs = performance.now() - sliceStartMs;
    return tookMs < sliceMs ? undefined : giveWay(tookMs);
  };
}
