import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { DeadLetters } from "@signalbox/event-store";
import { type Clock, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import type { TransactionalPublisher } from "../digest/digest.js";
import { moveByTime, type TimeMoveDependencies } from "../digest/time-moves.js";
import { endGroupingTransitions, type InstanceDefaults } from "../projects/project-settings.js";
import type { OrphanCollector } from "./collect-orphans.js";
import { deletionsChannel, runDeletions } from "./delete-data.js";
import { forgetEndedLetters } from "./erase-letters.js";
import { keepPins } from "./keep-pins.js";
import { removeExpired } from "./retention.js";

export interface UpkeepOptions extends Pick<TimeMoveDependencies, "countChange"> {
  readonly database: Database;
  readonly analytics: Analytics;
  /** Where attachments are; without it there are none. */
  readonly blobs?: Blobs | undefined;
  /** What could not be stored. */
  readonly letters?: (() => Pick<DeadLetters, "list" | "forget">) | undefined;
  readonly orphans?: OrphanCollector | undefined;
  readonly publisher: () => TransactionalPublisher;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly defaults: InstanceDefaults;
  /** How long hashes of a project's former algorithm are looked for. Default: 30 days. */
  readonly groupingTransitionMs?: number;
}

const intervalMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Moves issues that time moves, does deletions, and removes what expired. Several processes may do it at once. */
export function createUpkeep(options: UpkeepOptions): Service {
  const { database, orphans, clock, logger } = options;
  const abort = new AbortController();
  let timer: Timer | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopListening = (): void => {};

  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    if (abort.signal.aborted) return;
    try {
      await work();
    } catch (error) {
      if (!abort.signal.aborted) logger.warn("upkeep could not be done and is tried again", { work: what, error });
    }
  };

  const deletions = (): Promise<void> =>
    attempt("deletions", () =>
      runDeletions(options, { signal: abort.signal, isCalm: async () => (await orphans?.isCalm()) ?? true }),
    );

  const keepUp = async (): Promise<void> => {
    await attempt("issues", () => moveByTime(options));
    await attempt("grouping", () =>
      endGroupingTransitions(database, clock.nowMs() - (options.groupingTransitionMs ?? 30 * dayMs)),
    );
    await attempt("pins", () => keepPins(options, abort.signal));
    await deletions();
    await attempt("orphans", async () => {
      if ((await orphans?.isCalm()) && (await isDue(database, "orphans", clock.nowMs(), hourMs)))
        await orphans?.collect(abort.signal);
    });
    await attempt("retention", async () => {
      if (!(await isDue(database, "retention", clock.nowMs(), dayMs))) return;
      if (options.letters) await forgetEndedLetters(options.letters());
      await removeExpired(options, abort.signal);
    });
  };

  /** One thing after the other; what comes up meanwhile waits. */
  const enqueue = (work: () => Promise<void>): void => {
    running = running.then(work);
  };

  const arm = (): void => {
    timer = clock.setTimer(intervalMs, () => {
      enqueue(async () => {
        await keepUp();
        if (!abort.signal.aborted) arm();
      });
    });
  };

  return createService({
    name: "error tracking upkeep",
    async start() {
      stopListening = database.listen(deletionsChannel, () => enqueue(deletions));
      arm();
    },
    async stop() {
      abort.abort();
      stopListening();
      timer?.cancel();
      await running;
    },
  });
}

/** Whether this process is the one to do the work that is due now; true for one process per interval. */
export async function isDue(database: Database, name: string, nowMs: number, everyMs: number): Promise<boolean> {
  const { changes } = await database.run(
    `insert into error_upkeep (name, next_run_at_ms) values (?, ?)
    on conflict (name) do update set next_run_at_ms = excluded.next_run_at_ms where error_upkeep.next_run_at_ms <= ?`,
    [name, nowMs + everyMs, nowMs],
  );
  return changes > 0;
}
