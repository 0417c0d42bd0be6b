import type { Database } from "@signalbox/database";
import { type Clock, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";

export interface HousekeepingOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long ids of written events are remembered. */
  readonly dedupDays: number;
}

const intervalMs = 60_000;
/** Rows that one statement removes: none may keep other writers waiting for long. */
const chunk = 5000;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const checkInDays = 30;

/** Old rows, by the number below which they are not needed any more. */
const removals = [
  {
    // How far back the pages of a list that is being walked stay the same.
    sql: `delete from error_issue_positions where (project_id, issue_id, change_seq) in (
      select project_id, issue_id, change_seq from error_issue_positions where recorded_at_ms < ? limit ${chunk})`,
    before: (nowMs: number) => nowMs - hourMs,
  },
  {
    sql: `delete from error_hash_minutes where (project_id, hash, minute) in (
      select project_id, hash, minute from error_hash_minutes where minute < ? limit ${chunk})`,
    before: (nowMs: number) => Math.floor((nowMs - 2 * hourMs) / 60_000),
  },
  {
    // An id that is only counted still waits for its rows, however old it is.
    sql: `delete from error_event_ids where (project_id, event_id) in (
      select project_id, event_id from error_event_ids where received_at_ms < ? and state = 'written' limit ${chunk})`,
    before: (nowMs: number, dedupDays: number) => nowMs - dedupDays * dayMs,
  },
  {
    sql: `delete from error_item_messages where (project_id, message_id) in (
      select project_id, message_id from error_item_messages where received_at_ms < ? limit ${chunk})`,
    before: (nowMs: number, dedupDays: number) => nowMs - dedupDays * dayMs,
  },
  {
    sql: `delete from error_check_ins where id in (
      select id from error_check_ins where started_at_ms < ? limit ${chunk})`,
    before: (nowMs: number) => nowMs - checkInDays * dayMs,
  },
] as const;

/** Removes what was only needed for a while. Several processes may do it at once. */
export function createHousekeeping({ database, clock, logger, dedupDays }: HousekeepingOptions): Service {
  let timer: Timer | undefined;
  let running: Promise<void> = Promise.resolve();
  const abort = new AbortController();

  const clean = async (): Promise<void> => {
    for (const { sql, before } of removals) {
      let removed = chunk;
      while (removed === chunk && !abort.signal.aborted) {
        ({ changes: removed } = await database.run(sql, [before(clock.nowMs(), dedupDays)]));
      }
    }
  };

  const arm = (): void => {
    timer = clock.setTimer(intervalMs, () => {
      running = clean()
        .catch((error: unknown) => logger.warn("old rows could not be removed", { error }))
        .finally(() => {
          if (!abort.signal.aborted) arm();
        });
    });
  };

  return createService({
    name: "error tracking housekeeping",
    async start() {
      arm();
    },
    async stop() {
      abort.abort();
      timer?.cancel();
      await running;
    },
  });
}
