import type { KnownExperience } from "./known-experiences.js";
import type { Waiting } from "./queue.js";

/**
 * One run as far as this process knows it. All handles of a run share it, so that the sequence goes on and time never
 * goes back, also when it is started by a request and resumed by a job of the same process.
 */
export interface Run {
  readonly experienceId: string;
  readonly correlationId: string;
  /** Tells runs of one experience and correlation apart. */
  readonly name: string;
  /** Wall clock at the start, wherever that was. */
  readonly startedAtMs: number;
  /** Wall clock and monotonic clock when this process saw the run first. */
  readonly seenAtMs: number;
  readonly seenMonotonicMs: number;
  /** The ambient correlation id that could not become the run's own. */
  readonly ambientCorrelationId: string | undefined;
  /** Absent while the definitions are still on their way. */
  known: KnownExperience | undefined;
  nextSequence: number;
  /** The fields that all checkpoints of the run have, as JSON text; made when it is first needed. */
  prefix: string | undefined;
  /** Whether its start was dropped: then nothing of it may be sent any more. */
  dropped: boolean;
  /** Its last end in the queue; ends are rarely more than one. */
  waitingEnd: Waiting | undefined;
}

/** Wall clock time of the run now, by the monotonic clock: later is never earlier. */
export function runTimeMs(run: Run, nowMonotonicMs: number): number {
  return run.seenAtMs + Math.floor(nowMonotonicMs - run.seenMonotonicMs);
}

/** Runs by identity, for as long as they are likely to be met again. */
export interface RunTable {
  find(experienceId: string, correlationId: string, name: string): Run | undefined;
  remember(run: Run): void;
}

const mostRuns = 10_000;

/** Forgets the oldest beyond 10,000: such a run would go on with a sequence that begins again. */
export function createRunTable(): RunTable {
  let recent = new Map<string, Run>();
  let older = new Map<string, Run>();
  return {
    find(experienceId, correlationId, name) {
      const key = `${correlationId}|${experienceId}|${name}`;
      return recent.get(key) ?? older.get(key);
    },
    remember(run) {
      // Two halves that take turns: forgetting is dropping a map, and costs nothing per run.
      if (recent.size >= mostRuns / 2) {
        older = recent;
        recent = new Map();
      }
      recent.set(`${run.correlationId}|${run.experienceId}|${run.name}`, run);
    },
  };
}
