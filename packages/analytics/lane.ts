import { AnalyticsError } from "./errors.js";

export interface LaneOptions {
  /** Calls that may wait for a free resource; one more is refused. */
  readonly maxWaiting: number;
}

interface Waiter<Resource> {
  take(resource: Resource): void;
}

/** Resources that serve one call at a time each. Waiting calls are served in their order. */
export class Lane<Resource> {
  readonly #resources: readonly Resource[];
  readonly #free: Resource[];
  readonly #maxWaiting: number;
  #waiters: Waiter<Resource>[] = [];
  readonly #working = new Set<Promise<unknown>>();

  constructor(resources: readonly Resource[], options: LaneOptions) {
    this.#resources = resources;
    this.#free = [...resources];
    this.#maxWaiting = options.maxWaiting;
  }

  /**
   * Runs `work` with a resource of its own. When aborted it rejects at once with the signal's reason, but the resource
   * stays taken until `work` has settled, because an embedded engine goes on with what nobody waits for any more.
   * @throws {AnalyticsError} `ANALYTICS_OVERLOADED` when too many calls wait already.
   */
  async run<T>(signal: AbortSignal, work: (resource: Resource) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const resource = this.#free.pop() ?? (await this.#wait(signal));
    const working = work(resource).finally(() => {
      this.#working.delete(working);
      this.#release(resource);
    });
    this.#working.add(working);
    return rejectWhenAborted(working, signal);
  }

  /** Resolves when no call is at work. */
  async drain(): Promise<readonly Resource[]> {
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
    return this.#resources;
  }

  #wait(signal: AbortSignal): Promise<Resource> {
    if (this.#waiters.length >= this.#maxWaiting) return Promise.reject(new AnalyticsError("ANALYTICS_OVERLOADED"));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal.reason);
      };
      const waiter: Waiter<Resource> = {
        take(resource) {
          signal.removeEventListener("abort", onAbort);
          resolve(resource);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  #release(resource: Resource): void {
    const next = this.#waiters.shift();
    if (next) next.take(resource);
    else this.#free.push(resource);
  }
}

/** Settles like `promise`, or rejects with the signal's reason when that comes first. */
export function rejectWhenAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
