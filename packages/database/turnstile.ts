/** Lets one through at a time, in the order of arrival: the next one is chosen by whoever leaves, so nobody overtakes. */
export interface Turnstile {
  /** Number waiting outside. */
  readonly waiting: number;
  /** Resolves with the way out, which may be taken twice. */
  enter(): Promise<() => void>;
}

export function createTurnstile(): Turnstile {
  let occupied = false;
  let waiting: (() => void)[] = [];
  let first = 0;

  const leave = (): void => {
    const next = waiting[first];
    if (!next) {
      occupied = false;
      waiting = [];
      first = 0;
      return;
    }
    first++;
    if (first > 1024 && first * 2 > waiting.length) {
      waiting = waiting.slice(first);
      first = 0;
    }
    next();
  };

  const wayOut = (): (() => void) => {
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      leave();
    };
  };

  return {
    get waiting() {
      return waiting.length - first;
    },
    enter() {
      if (!occupied) {
        occupied = true;
        return Promise.resolve(wayOut());
      }
      return new Promise((resolve) => {
        waiting.push(() => resolve(wayOut()));
      });
    },
  };
}
