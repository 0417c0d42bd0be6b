import type { Clock } from "@signalbox/kernel";

/** The end of a server: what has to happen then, in the reverse order of how things were started, by a deadline. */
export interface Shutdown {
  /** Aborted when the shutdown begins. */
  readonly signal: AbortSignal;
  /** `close` runs before everything that was added earlier. */
  add(close: () => Promise<void> | void): void;
  /** What is left of the deadline, which counts from the beginning of the shutdown. */
  remainingMs(): number;
  /**
   * Runs everything; a step that fails does not keep the others from running. A second call joins the first.
   * @throws {AggregateError} of what failed
   */
  run(): Promise<void>;
}

export function createShutdown(clock: Clock, deadlineMs: number): Shutdown {
  const steps: (() => Promise<void> | void)[] = [];
  const abort = new AbortController();
  let beganMs: number | undefined;
  let running: Promise<void> | undefined;

  const runAll = async (): Promise<void> => {
    beganMs = clock.monotonicMs();
    abort.abort(new Error("the server is stopping"));
    const failures: unknown[] = [];
    for (let close = steps.pop(); close; close = steps.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "Not everything closed cleanly");
  };

  return {
    signal: abort.signal,
    add: (close) => void steps.push(close),
    remainingMs: () => (beganMs === undefined ? deadlineMs : Math.max(0, beganMs + deadlineMs - clock.monotonicMs())),
    run() {
      running ??= runAll();
      return running;
    },
  };
}
