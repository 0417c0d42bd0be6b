import { type Clock, errorCode, type Logger } from "@signalbox/kernel";

const hourMs = 3_600_000;

/** The same log, in which a warning about a peer stands once an hour for each of its causes; repetitions are details. */
export function calmLogger(logger: Logger, clock: Clock): Logger {
  /** When a warning was written, the oldest first. */
  const written = new Map<string, number>();
  return {
    debug: (message, fields) => logger.debug(message, fields),
    info: (message, fields) => logger.info(message, fields),
    warn(message, fields = {}) {
      const { relay, error } = fields;
      if (relay === undefined) {
        logger.warn(message, fields);
        return;
      }
      const nowMs = clock.monotonicMs();
      for (const [key, atMs] of written) {
        if (nowMs - atMs < hourMs) break;
        written.delete(key);
      }
      const key = JSON.stringify([relay, message, errorCode(error)]);
      const isRepetition = written.has(key);
      if (!isRepetition) written.set(key, nowMs);
      logger[isRepetition ? "debug" : "warn"](message, fields);
    },
    error: (message, fields) => logger.error(message, fields),
    child: (component) => calmLogger(logger.child(component), clock),
    isEnabled: (level) => logger.isEnabled(level),
  };
}
