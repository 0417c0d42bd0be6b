/** Knows whether work is under way that takes turns of the event loop but no time of the virtual clock. */
export interface Busyness {
  /** The same object; what its methods promise, or streams that they return, counts as work until it is settled. */
  watch<T extends object>(target: T): T;
  /** Resolves when no such work is left, and `progress` stands still. */
  rest(progress: () => number): Promise<void>;
}

/** Turns without any work after which nothing more is to be expected. */
const quietTurns = 3;
/** Turns without a change after which the work is in another thread, where turns are none of its time. */
const idleTurns = 200;
/** Work that changes nothing for so long hangs; the slowest machine does something in this time. */
const mostIdleMs = 60_000;

export function createBusyness(): Busyness {
  let underWay = 0;
  let changes = 0;
  const settled = (): void => {
    underWay--;
    changes++;
  };
  const note = (result: unknown): unknown => {
    if (isStream(result)) return busyness.watch(result);
    if (!(result instanceof Promise)) return result;
    underWay++;
    changes++;
    result.then(settled, settled);
    return result;
  };
  const busyness: Busyness = {
    watch: (target) =>
      new Proxy(target, {
        get(object, name) {
          const value: unknown = Reflect.get(object, name, object);
          if (typeof value !== "function") return value;
          return (...args: unknown[]): unknown => note(Reflect.apply(value, object, args));
        },
      }),
    async rest(progress) {
      let quiet = 0;
      let seen = -1;
      let idle = 0;
      let changedMs = performance.now();
      while (quiet < quietTurns) {
        await new Promise<void>((resolve) => {
          if (idle < idleTurns) setImmediate(resolve);
          else setTimeout(resolve, 1);
        });
        const now = changes + progress();
        const isSame = now === seen;
        quiet = underWay === 0 && isSame ? quiet + 1 : 0;
        idle = isSame ? idle + 1 : 0;
        if (!isSame) changedMs = performance.now();
        if (performance.now() - changedMs > mostIdleMs) throw new Error("the work does not come to an end");
        seen = now;
      }
    },
  };
  return busyness;
}

/** What is read page by page. */
function isStream(value: unknown): value is { next(): Promise<unknown> } {
  return typeof value === "object" && value !== null && "next" in value;
}
