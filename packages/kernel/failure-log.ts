import type { Clock } from "./clock.js";
import type { LogFields, Logger } from "./logger.js";

export interface FailureLogOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Constant text of the lines that say that it fails. */
  readonly message: string;
  /** Time between two lines while it goes on failing. Default: one minute. */
  readonly everyMs?: number;
}

/**
 * What a loop says of work that fails again and again, as with a database that is away: a warning when it begins to fail, then
 * one a minute with the failures since the line before as `failures`, and when it works again a line at level info, with
 * how often it failed in all.
 */
export interface FailureLog {
  failed(fields: LogFields): void;
  /** To be called after each success; does nothing unless it failed before. */
  worked(): void;
}

const minuteMs = 60_000;

export function createFailureLog({ logger, clock, message, everyMs = minuteMs }: FailureLogOptions): FailureLog {
  let total = 0;
  let unsaid = 0;
  let saidAtMs = 0;
  return {
    failed(fields) {
      total += 1;
      unsaid += 1;
      const nowMs = clock.monotonicMs();
      if (total > 1 && nowMs - saidAtMs < everyMs) return;
      logger.warn(message, { ...fields, failures: unsaid });
      unsaid = 0;
      saidAtMs = nowMs;
    },
    worked() {
      if (total === 0) return;
      logger.info(`${message}: over`, { failures: total });
      total = 0;
      unsaid = 0;
    },
  };
}
