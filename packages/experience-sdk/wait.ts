import type { Time } from "./platform.js";

/** Resolves after the delay or when the signal is aborted, whichever is first. Never keeps the process alive. */
export function wait(clock: Time, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const finish = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = clock.setTimer(delayMs, finish);
    signal.addEventListener("abort", finish, { once: true });
  });
}
