import { backpressure } from "../edge/publish-event.js";

export interface StreamSlots {
  /**
   * Runs `work` as soon as fewer than `concurrent` others run, first come, first served.
   * @throws {IngestError} `ET_BACKPRESSURE` at once when `waiting` others wait already
   */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Bounds the memory of requests that flow through in pieces: each brings decoder windows and one event. */
export function createStreamSlots(concurrent: number, waiting: number): StreamSlots {
  let running = 0;
  const queue: (() => void)[] = [];
  return {
    async run(work) {
      if (running === concurrent) {
        if (queue.length === waiting) throw backpressure();
        // The slot is handed over, so nobody can slip in between.
        await new Promise<void>((resolve) => queue.push(resolve));
      } else {
        running++;
      }
      try {
        return await work();
      } finally {
        const next = queue.shift();
        if (next) next();
        else running--;
      }
    },
  };
}
