import type { Time } from "./platform.js";

/**
 * Resolves after the delay or when one of the signals is aborted, whichever is first; without a delay, only then. Never
 * keeps the process alive.
 */
export function wait(clock: Time, delayMs: number | undefined, ...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some(({ aborted }) => aborted)) return resolve();
    const finish = (): void => {
      timer?.cancel();
      for (const signal of signals) signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = delayMs === undefined ? undefined : clock.setTimer(delayMs, finish);
    for (const signal of signals) signal.addEventListener("abort", finish, { once: true });
  });
}
