import { formatSeconds } from "./run-command.mjs";

const plainReportMs = 10_000;
const terminalReportMs = 1_000;

/**
 * Says that `work` has begun, that it still goes on, and how long it took. On a terminal one line is rewritten.
 *
 * @template T
 * @param {{ begin: string, done: string }} labels
 * @param {() => Promise<T>} work
 * @param {NodeJS.WriteStream} [stream]
 * @returns {Promise<T>}
 */
export async function showProgress(labels, work, stream = process.stderr) {
  const startedMs = performance.now();
  const elapsed = () => formatSeconds(performance.now() - startedMs);
  const rewrite = stream.isTTY === true;
  /** @param {string} text */
  const say = (text) => stream.write(rewrite ? `\r\u001b[2K${text}` : `${text}\n`);
  say(`${labels.begin} …`);
  const timer = setInterval(() => say(`${labels.begin} … ${elapsed()}`), rewrite ? terminalReportMs : plainReportMs);
  try {
    const result = await work();
    say(`${labels.done} (${elapsed()})`);
    return result;
  } finally {
    clearInterval(timer);
    if (rewrite) stream.write("\n");
  }
}
