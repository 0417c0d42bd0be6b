/**
 * For promises of the form "within so many seconds": the time as a process sees it that gets its share of the machine. What
 * passes while this process is not run does not count.
 */
export function startStopwatch(): { stop(): number } {
  const tickMs = 50;
  let elapsedMs = 0;
  let lastMs = performance.now();
  const lap = (): void => {
    const nowMs = performance.now();
    elapsedMs += Math.min(nowMs - lastMs, 2 * tickMs);
    lastMs = nowMs;
  };
  const timer = setInterval(lap, tickMs);
  return {
    stop() {
      lap();
      clearInterval(timer);
      return elapsedMs;
    },
  };
}
