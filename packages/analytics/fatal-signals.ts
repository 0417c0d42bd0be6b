/** Signals by which a native crash ends a process. SIGTSTP is no crash, but the engine takes it too. */
const fatalSignals = ["SIGABRT", "SIGSEGV", "SIGILL", "SIGBUS", "SIGFPE", "SIGTRAP", "SIGSYS", "SIGTSTP"] as const;

/**
 * Gives fatal signals back their default effect: to end the process at once.
 *
 * The engine's library catches them when it is loaded and then waits up to five minutes for a logging thread that only
 * the standalone server has. A crash, also one outside of the engine, would leave a process that neither works nor ends,
 * and nothing would start it again.
 */
export function restoreFatalSignals(): void {
  for (const signal of fatalSignals) {
    // Node has no call for this, but gives a signal back when its last listener goes.
    const listener = (): void => {};
    process.on(signal, listener);
    process.off(signal, listener);
  }
}
