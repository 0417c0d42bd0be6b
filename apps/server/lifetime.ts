import type { Logger } from "@signalbox/kernel";

export interface LifetimeOptions {
  readonly logger: Logger;
  /** Called once, at the first request to stop. */
  stop(): Promise<void>;
  /** Ends the process without finishing anything. */
  exit(exitCode: number): void;
}

/** Exit code of a process that was interrupted before it had stopped. */
const interrupted = 130;

/**
 * Resolves with the exit code once the process was asked to stop and has stopped: 0, or 1 when stopping failed.
 * It is asked by SIGTERM, by SIGINT, and by the end of a supervisor that holds an IPC channel. A second signal ends the
 * process at once.
 */
export function untilStopped({ logger, stop, exit }: LifetimeOptions): Promise<number> {
  return new Promise((resolve) => {
    let requests = 0;
    const request = (reason: string): void => {
      requests++;
      if (requests > 1) {
        exit(interrupted);
        return;
      }
      logger.info("stopping", { reason });
      stop().then(
        () => resolve(0),
        (error: unknown) => {
          logger.error("stopping failed", { error });
          resolve(1);
        },
      );
    };
    process.on("SIGTERM", () => request("SIGTERM"));
    process.on("SIGINT", () => request("SIGINT"));
    process.once("disconnect", () => {
      if (requests === 0) request("the supervisor is gone");
    });
  });
}

/**
 * An error that nobody caught leaves the process in an unknown state: it is logged and the process ends with 1. What was
 * acknowledged is on disk; the supervisor starts the process again.
 */
export function endOnStrayErrors(logger: Logger, exit: (exitCode: number) => void): void {
  process.on("uncaughtException", (error, origin) => {
    logger.error("an error was caught by nobody, the process ends", { error, origin });
    exit(1);
  });
}
