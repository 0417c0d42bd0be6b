import { type ApplyResult, type Checkpoint, ExperienceError } from "@signalbox/experience";
import { away } from "../store-error.js";

/** Checkpoints of all callers wait here for the transaction that they share. */
export interface ApplyQueue {
  apply(checkpoints: readonly Checkpoint[]): Promise<readonly ApplyResult[]>;
  /** Resolves when nothing waits any more. */
  idle(): Promise<void>;
}

export interface ApplyQueueOptions {
  /** Commits some checkpoints together; a rejection means that none of them is written. */
  readonly commit: (checkpoints: readonly Checkpoint[]) => Promise<readonly ApplyResult[]>;
  readonly maxTogether: number;
  readonly maxWaiting: number;
}

/** The checkpoints of one call, which may be spread over several transactions. */
interface Call {
  readonly checkpoints: readonly Checkpoint[];
  readonly results: ApplyResult[];
  /** How many have been handed to a transaction, and how many have their result. */
  taken: number;
  settled: number;
  readonly whenSettled: () => void;
}

/** One checkpoint of a call. */
interface Place {
  readonly call: Call;
  readonly index: number;
  readonly checkpoint: Checkpoint;
}

/**
 * One transaction at a time takes all that gathered while the one before was committed, in the order of arrival. A
 * single caller waits for nobody.
 */
export function createApplyQueue({ commit, maxTogether, maxWaiting }: ApplyQueueOptions): ApplyQueue {
  const calls: Call[] = [];
  let waiting = 0;
  let running: Promise<void> | undefined;

  const takeSome = (): Place[] => {
    const places: Place[] = [];
    while (places.length < maxTogether) {
      const [call] = calls;
      if (!call) break;
      const checkpoint = call.checkpoints[call.taken];
      if (checkpoint) places.push({ call, index: call.taken++, checkpoint });
      else calls.shift();
    }
    waiting -= places.length;
    return places;
  };

  const settle = ({ call, index }: Place, result: ApplyResult): void => {
    call.results[index] = result;
    if (++call.settled === call.checkpoints.length) call.whenSettled();
  };

  const commitAll = async (places: readonly Place[]): Promise<void> => {
    try {
      const results = await commit(places.map(({ checkpoint }) => checkpoint));
      for (const [index, place] of places.entries())
        settle(place, results[index] ?? { result: "failed", error: away(new Error("a result is missing")) });
    } catch (error) {
      // One checkpoint that cannot be written keeps nobody else from being written.
      const isOutage = error instanceof ExperienceError;
      if (isOutage || places.length === 1) {
        const failure = isOutage ? error : away(error);
        for (const place of places) settle(place, { result: "failed", error: failure });
        return;
      }
      for (const place of places) await commitAll([place]);
    }
  };

  const drain = async (): Promise<void> => {
    while (waiting > 0) await commitAll(takeSome());
    running = undefined;
  };

  return {
    async apply(checkpoints) {
      if (checkpoints.length === 0) return [];
      if (waiting + checkpoints.length > maxWaiting) throw new ExperienceError("backlog_full");
      waiting += checkpoints.length;
      const results: ApplyResult[] = [];
      const settled = new Promise<void>((whenSettled) => {
        calls.push({ checkpoints, results, taken: 0, settled: 0, whenSettled });
      });
      // What else this turn of the event loop brings goes along.
      running ??= new Promise<void>((resolve) => setImmediate(resolve)).then(drain);
      await settled;
      const [first] = results;
      if (first?.result === "failed" && results.every(({ result }) => result === "failed")) throw first.error;
      return results;
    },
    async idle() {
      while (running) await running;
    },
  };
}
