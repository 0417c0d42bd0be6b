import { setImmediate } from "node:timers/promises";

export interface PaceOptions {
  /** Longest time that the loop holds the event loop in one go. Default: 5 ms. */
  readonly sliceMs?: number;
  /** How long others may go on before the loop has its next slice. Default: 20 ms. */
  readonly patienceMs?: number;
}

/** A turn of the event loop that took less had nothing much to do. */
const quietTurnMs = 1;

/**
 * Lets a long loop give way: `await pace()` after each item costs nothing until the slice is used up. Then the others
 * go first, until a turn of the event loop is quiet or `patienceMs` is over. Work that can wait so leaves most of a
 * busy process to requests that cannot, and loses nothing in an idle one.
 */
export function createPace({ sliceMs = 5, patienceMs = 20 }: PaceOptions = {}): () => Promise<void> | undefined {
  let sliceEndMs = performance.now() + sliceMs;
  const giveWay = async (): Promise<void> => {
    let turnStartMs = performance.now();
    const untilMs = turnStartMs + patienceMs;
    for (;;) {
      await setImmediate();
      const nowMs = performance.now();
      if (nowMs - turnStartMs < quietTurnMs || nowMs >= untilMs) break;
      turnStartMs = nowMs;
    }
    sliceEndMs = performance.now() + sliceMs;
  };
  return () => (performance.now() < sliceEndMs ? undefined : giveWay());
}
