import { type Clock, createFailureLog, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import type { FairShare } from "./rate-limiter.js";

export interface FairShareOptions {
  /** Events that were accepted and wait, of all projects. */
  countPending(): Promise<number>;
  /** From so many on no project gets more than its share; until there are half as many. */
  readonly highWater: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const lookMs = 2000;
/** Intake is counted in so many parts of the last minute. */
const parts = 6;
const partMs = 60_000 / parts;
/** How long who had too much is told to send nothing. */
const pauseForMs = 10_000;

/**
 * While too much waits, projects that sent more than an equal share of the last minute's intake are held back, so that the
 * others' events do not wait behind theirs. A project that is alone is never held back.
 */
export function createFairShare(options: FairShareOptions): FairShare & { readonly service: Service } {
  const { countPending, highWater, clock, logger } = options;
  /** Events by project, for each part of the last minute. */
  const intake = new Map<number, Map<number, number>>();
  let greedy: ReadonlySet<number> = new Set();
  let isCrowded = false;
  let timer: Timer | undefined;
  let looking: Promise<void> = Promise.resolve();
  let stopped = false;

  const partNow = (): number => Math.floor(clock.monotonicMs() / partMs);

  const forgetOld = (): void => {
    const oldest = partNow() - parts;
    for (const part of intake.keys()) if (part <= oldest) intake.delete(part);
  };

  const findGreedy = (): ReadonlySet<number> => {
    const sums = new Map<number, number>();
    for (const counts of intake.values())
      for (const [projectId, events] of counts) sums.set(projectId, (sums.get(projectId) ?? 0) + events);
    const total = [...sums.values()].reduce((sum, events) => sum + events, 0);
    return new Set([...sums].filter(([, events]) => events > total / sums.size).map(([projectId]) => projectId));
  };

  const failures = createFailureLog({ logger, clock, message: "waiting events could not be counted" });
  const look = async (): Promise<void> => {
    forgetOld();
    // Where nothing comes in there is nobody to hold back.
    if (intake.size === 0 && !isCrowded) return;
    const pending = await countPending();
    const wasCrowded = isCrowded;
    isCrowded = pending > (isCrowded ? highWater / 2 : highWater);
    greedy = isCrowded ? findGreedy() : new Set();
    if (isCrowded && !wasCrowded)
      logger.warn("too many events wait; projects that send more than their share are held back", { pending });
    if (wasCrowded && !isCrowded) logger.info("projects are held back no longer", { pending });
  };

  const arm = (): void => {
    timer = clock.setTimer(lookMs, () => {
      looking = look()
        .then(failures.worked, (error: unknown) => failures.failed({ error }))
        .finally(() => {
          if (!stopped) arm();
        });
    });
  };

  return {
    note(projectId) {
      const part = partNow();
      let counts = intake.get(part);
      if (counts === undefined) {
        counts = new Map();
        intake.set(part, counts);
      }
      counts.set(projectId, (counts.get(projectId) ?? 0) + 1);
    },
    pauseMs: (projectId) => (greedy.has(projectId) ? pauseForMs : undefined),
    service: createService({
      name: "fair share of the queue",
      async start() {
        arm();
      },
      async stop() {
        stopped = true;
        timer?.cancel();
        await looking;
      },
    }),
  };
}
