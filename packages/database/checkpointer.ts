import { type Clock, type Logger, systemClock, type Timer } from "@signalbox/kernel";

export interface CheckpointerOptions {
  /** Moves the log into the file as far as nobody needs it any more, beside readers and writers. */
  readonly checkpoint: () => Promise<void>;
  /** Resolves when nobody else of this process writes, with the way to let them. */
  readonly enter: () => Promise<() => void>;
  readonly logger: Logger;
  readonly clock?: Clock;
}

export interface Checkpointer {
  /** Something was written. */
  noteCommit(): void;
  /** Resolves when nothing is under way any more. Nothing begins afterwards. */
  close(): Promise<void>;
}

/** Fewer are left to the commits that follow. */
const worthwhileCommits = 16;
const pauseMs = 500;

/**
 * Moves SQLite's write-ahead log into the database file beside the writers. Left to itself SQLite does that inside of a
 * commit, and whoever commits then waits for two more `fsync`s and a thousand pages.
 *
 * The log starts over only when all of it has been moved while nobody adds to it. So the bulk goes first, then what came
 * meanwhile, and for the few pages that are left after that the writers are kept out.
 */
export function createCheckpointer({
  checkpoint,
  enter,
  logger,
  clock = systemClock,
}: CheckpointerOptions): Checkpointer {
  let commits = 0;
  let timer: Timer | undefined;
  let underway: Promise<void> | undefined;
  let closed = false;

  const moveAll = async (): Promise<void> => {
    await checkpoint();
    await checkpoint();
    const leave = await enter();
    try {
      await checkpoint();
    } finally {
      leave();
    }
  };

  const run = async (): Promise<void> => {
    commits = 0;
    try {
      await moveAll();
    } catch (error) {
      // A commit will do it when the log has become long.
      logger.debug("The database's log was not moved into its file", { error });
    }
    underway = undefined;
    arm();
  };

  const arm = (): void => {
    if (closed || timer || underway || commits < worthwhileCommits) return;
    timer = clock.setTimer(pauseMs, () => {
      timer = undefined;
      underway = run();
    });
  };

  return {
    noteCommit() {
      commits++;
      arm();
    },
    async close() {
      closed = true;
      timer?.cancel();
      await underway;
    },
  };
}
