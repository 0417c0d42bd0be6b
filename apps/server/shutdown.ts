import type { Clock } from "@signalbox/kernel";

/** The end of a server: what has to happen then, in the reverse order of how things were started, by a deadline. */
export interface Shutdown {
  /** Aborted when the shutdown begins. */
  readonly signal: AbortSignal;
  /** What is left of the deadline, which counts from the beginning of the shutdown. Whole milliseconds. */
  readonly remainingMs: number;
  /** `close` runs before everything that was added earlier. */
  add(close: Close): void;
  /** As `add`, for engines that crash a process which ends while they are open. */
  addEngine(close: Close): void;
  /** Aborts the signal: a start under way gives up, background work ends. Repeatable. */
  begin(): void;
  /**
   * Begins, then runs everything; a step that fails does not keep the others from running. A second call joins the
   * first. What starts must have come to its end before.
   * @throws {AggregateError} of what failed
   */
  run(): Promise<void>;
  /** Closes the engines alone, all at once: what is needed before the process can end in a hurry. */
  abandon(): Promise<void>;
}

type Close = () => Promise<void> | void;

export function createShutdown(clock: Clock, deadlineMs: number): Shutdown {
  const steps: Close[] = [];
  const engines: Close[] = [];
  const abort = new AbortController();
  let beganMs: number | undefined;
  let running: Promise<void> | undefined;

  const begin = (): void => {
    beganMs ??= clock.monotonicMs();
    abort.abort(new Error("the server is stopping"));
  };
  const runAll = async (): Promise<void> => {
    begin();
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
    get remainingMs() {
      return beganMs === undefined ? deadlineMs : Math.max(0, Math.floor(beganMs + deadlineMs - clock.monotonicMs()));
    },
    add: (close) => void steps.push(close),
    addEngine(close) {
      steps.push(close);
      engines.push(close);
    },
    begin,
    run() {
      running ??= runAll();
      return running;
    },
    async abandon() {
      begin();
      await Promise.allSettled(engines.map(async (close) => close()));
    },
  };
}
