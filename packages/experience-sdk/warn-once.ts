import type { Logger } from "@signalbox/kernel/portable";

/** Writes each warning once, told apart by its key. The number of keys is bounded. */
export type WarnOnce = (key: string, message: string, fields?: Readonly<Record<string, unknown>>) => void;

const mostKeys = 1_000;

export function createWarnOnce(logger: Pick<Logger, "warn">): WarnOnce {
  const seen = new Set<string>();
  return (key, message, fields) => {
    if (seen.has(key) || seen.size >= mostKeys) return;
    seen.add(key);
    try {
      logger.warn(message, fields);
    } catch {
      // The application's logger may throw; the application must not notice.
    }
  };
}
