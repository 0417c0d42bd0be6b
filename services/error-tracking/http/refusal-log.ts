import type { Clock, LogFields, Logger } from "@signalbox/kernel";

/** Lines per second and code; what is beyond says nothing new. */
const maxLinesPerSecond = 10;

/** Logs refused requests, each code only so often. */
export function createRefusalLog(logger: Logger, clock: Clock) {
  let second = 0;
  const lines = new Map<string, number>();
  return (code: string, fields: () => LogFields): void => {
    const now = Math.floor(clock.monotonicMs() / 1000);
    if (now !== second) {
      second = now;
      lines.clear();
    }
    const written = lines.get(code) ?? 0;
    lines.set(code, written + 1);
    if (written < maxLinesPerSecond) logger.info("ingest request refused", { ...fields(), code });
  };
}
