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

interface Waiting {
  readonly checkpoint: Checkpoint;
  settle(result: ApplyResult): void;
}

/**
 * One transaction at a time takes all that gathered while the one before was committed, in the order of arrival. A
 * single caller waits for nobody.
 */
export function createApplyQueue({ commit, maxTogether, maxWaiting }: ApplyQueueOptions): ApplyQueue {
  const waiting: Waiting[] = [];
  let running: Promise<void> | undefined;

  const commitAll = async (items: readonly Waiting[]): Promise<void> => {
    try {
      const results = await commit(items.map(({ checkpoint }) => checkpoint));
      items.forEach((item, index) => {
        const result = results[index];
        item.settle(result ?? { result: "failed", error: away(new Error("a result is missing")) });
      });
    } catch (error) {
      // One checkpoint that cannot be written keeps nobody else from being written.
      const isOutage = error instanceof ExperienceError;
      if (isOutage || items.length === 1) {
        const failure = isOutage ? error : away(error);
        for (const item of items) item.settle({ result: "failed", error: failure });
        return;
      }
      for (const item of items) await commitAll([item]);
    }
  };

  const drain = async (): Promise<void> => {
    while (waiting.length > 0) await commitAll(waiting.splice(0, maxTogether));
    running = undefined;
  };

  return {
    async apply(checkpoints) {
      if (checkpoints.length === 0) return [];
      if (waiting.length + checkpoints.length > maxWaiting) throw new ExperienceError("backlog_full");
      const settled = checkpoints.map(
        (checkpoint) => new Promise<ApplyResult>((resolve) => waiting.push({ checkpoint, settle: resolve })),
      );
      // What else this turn of the event loop brings goes along.
      running ??= new Promise<void>((resolve) => setImmediate(resolve)).then(drain);
      const results = await Promise.all(settled);
      const [first] = results;
      if (first?.result === "failed" && results.every(({ result }) => result === "failed")) throw first.error;
      return results;
    },
    async idle() {
      while (running) await running;
    },
  };
}
