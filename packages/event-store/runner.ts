import { createFailureLog, isVirtualClock, type Timer } from "@signalbox/kernel";
import { EventStoreError } from "./errors.js";
import { startHousekeeping } from "./housekeeping.js";
import { SlotPool } from "./slots.js";
import { Worker, type WorkerDependencies } from "./worker.js";

export type RunnerOptions = Omit<WorkerDependencies, "slots" | "pause"> & {
  /** Names of the subscribers to run; default: all. */
  readonly only: readonly string[] | undefined;
};

/** Handles deliveries in this process: one worker for each subscriber, all of them sharing the slots. */
export interface Runner {
  start(): Promise<void>;
  /** Hands back what still runs at the deadline. */
  stop(deadlineMs: number): Promise<void>;
  /** A pause that was set in this process takes effect at once. */
  setPaused(subscriber: string, paused: boolean): void;
}

/** How often pauses that other processes set are looked for. */
const pausePollMs = 2_000;
/** How long after the deadline the last settlements may take when the engine is away. */
const giveUpLagMs = 1_000;
const longestTimeoutMs = 2_147_483_647;
/** Signals are aborted this long before calls are given up. */
const abortLeadMs = 2_000;

export function createRunner(options: RunnerOptions): Runner {
  const { registry, limits, records, clock, logger } = options;
  const workers = new Map<string, Worker>();
  let pauseTimer: Timer | undefined;
  let keepAlive: NodeJS.Timeout | undefined;
  let housekeeping: { stop(): void } | undefined;
  const stopped = new AbortController();

  const setPaused = (subscriber: string, paused: boolean): void => workers.get(subscriber)?.setPaused(paused);

  const slots = new SlotPool(limits.slots);
  for (const registered of registry.subscribers) {
    const { name } = registered.subscriber;
    if (options.only && !options.only.includes(name)) continue;
    const pause = async (subscriber: string): Promise<void> => {
      await records.pauses.set(subscriber, true, clock.nowMs());
      setPaused(subscriber, true);
    };
    workers.set(name, new Worker(registered, { ...options, slots, pause }));
  }

  const readPauses = async (): Promise<void> => {
    const paused = await records.pauses.list();
    for (const [name, worker] of workers) worker.setPaused(paused.has(name));
  };

  const pauseFailures = createFailureLog({ logger, clock, message: "pauses could not be read" });
  const watchPauses = (): void => {
    if (stopped.signal.aborted) return;
    pauseTimer = clock.setTimer(pausePollMs, () => {
      readPauses()
        .then(pauseFailures.worked, (error: unknown) => pauseFailures.failed({ error }))
        .finally(watchPauses);
    });
  };

  return {
    async start() {
      // Nothing else may hold the process, and a process that was started to handle events must not end by itself.
      // Virtual time is moved by a test, which ends when it has seen enough.
      if (!isVirtualClock(clock)) keepAlive = setInterval(() => {}, longestTimeoutMs);
      await readPauses();
      for (const worker of workers.values()) worker.consume();
      if (records.shared) watchPauses();
      housekeeping = startHousekeeping(options);
    },

    async stop(deadlineMs) {
      stopped.abort();
      pauseTimer?.cancel();
      housekeeping?.stop();
      const all = [...workers.values()];
      await Promise.all(all.map((worker) => worker.stopIntake()));
      const idle = Promise.all(all.map((worker) => worker.idle()));
      const stopping = new EventStoreError("EVT_CLOSED");
      const abort = clock.setTimer(Math.max(0, deadlineMs - abortLeadMs), () => {
        for (const worker of all) worker.abortCalls(stopping);
      });
      const handBack = clock.setTimer(deadlineMs, () => {
        for (const worker of all) worker.handBackCalls();
      });
      const giveUp = clock.setTimer(deadlineMs + giveUpLagMs, () => {
        for (const worker of all) worker.giveUp();
      });
      await idle;
      for (const timer of [abort, handBack, giveUp]) timer.cancel();
      clearInterval(keepAlive);
    },

    setPaused,
  };
}
