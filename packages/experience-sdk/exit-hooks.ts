const signals = ["SIGTERM", "SIGINT"] as const;

/**
 * Shuts down when the process is asked to end and when it runs out of work. Ends no process that the application wants
 * to keep: where it has handlers of its own for a signal, these decide; where it has none, the signal's own effect comes
 * after the shutdown. Returns what takes the hooks away.
 */
export function installExitHooks(shutdown: () => Promise<unknown>): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    void shutdown().then(() => {
      remove();
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  };
  const onBeforeExit = (): void => void shutdown();
  const remove = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
    process.off("beforeExit", onBeforeExit);
  };
  for (const signal of signals) process.on(signal, onSignal);
  process.on("beforeExit", onBeforeExit);
  return remove;
}
