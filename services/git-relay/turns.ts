/** Lets so many works run at one time, the others in the order in which they came. */
export interface Turns {
  readonly waiting: number;
  /** Runs the work when it is its turn; ends as the work does. */
  take<T>(work: () => Promise<T>): Promise<T>;
}

export function createTurns(atOnce: number): Turns {
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    get waiting() {
      return waiting.length;
    },
    async take(work) {
      // Whoever ends hands its place on, so that nobody who comes meanwhile takes it.
      if (running < atOnce) running++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else running--;
      }
    },
  };
}
