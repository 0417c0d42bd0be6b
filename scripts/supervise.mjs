import { spawn } from "node:child_process";
import { exitCodeOf } from "./run-command.mjs";

/** A terminal's Ctrl-C reaches this process from the terminal and once more through npm: that is one request. */
const sameRequestMs = 300;

/** How long a child may take to obey a second signal before it is killed. */
const secondSignalGraceMs = 1_000;

/**
 * @typedef {object} SuperviseOptions
 * @property {string} command
 * @property {readonly string[]} args
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => void} say
 * @property {() => void} [onFirstReady] called once, when the program is ready for the first time
 * @property {number} [firstDelayMs] pause before the first restart; doubles up to `maxDelayMs`
 * @property {number} [maxDelayMs]
 * @property {number} [steadyMs] a child that was ready for this long makes the pauses short again
 * @property {number} [maxFailedStarts] aborts in a row before being ready, after which supervision gives up
 */

/**
 * Runs a program and starts it again when it was ready and then went down by itself, or was aborted by a signal.
 * The program says that it is ready by the message `{ ready: true }` on its IPC channel.
 *
 * - An exit with a code before it was ready is the program's own refusal (bad configuration, taken port): not retried.
 * - SIGINT and SIGTERM are forwarded; a second request ends everything at once with 130.
 *
 * @param {SuperviseOptions} options
 * @returns {Promise<number>} the exit code for this process
 */
export function supervise(options) {
  const firstDelayMs = options.firstDelayMs ?? 1_000;
  const maxDelayMs = options.maxDelayMs ?? 30_000;
  const steadyMs = options.steadyMs ?? 60_000;
  const maxFailedStarts = options.maxFailedStarts ?? 5;
  let wasReady = false;

  return new Promise((resolve) => {
    /** @type {import("node:child_process").ChildProcess | undefined} */
    let child;
    /** @type {NodeJS.Timeout | undefined} */
    let restartTimer;
    let stopRequests = 0;
    let lastRequestMs = Number.NEGATIVE_INFINITY;
    let delayMs = firstDelayMs;
    let failedStarts = 0;

    /** @param {number} exitCode */
    const finish = (exitCode) => {
      clearTimeout(restartTimer);
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
      resolve(exitCode);
    };

    /** @param {NodeJS.Signals} signal */
    const onSignal = (signal) => {
      const nowMs = performance.now();
      if (nowMs - lastRequestMs < sameRequestMs) return;
      lastRequestMs = nowMs;
      stopRequests++;
      if (!child) {
        finish(stopRequests > 1 ? 130 : 0);
        return;
      }
      child.kill(signal);
      if (stopRequests > 1) setTimeout(() => child?.kill("SIGKILL"), secondSignalGraceMs).unref();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);

    const run = () => {
      let readyMs = Number.NaN;
      // A process group of its own: the terminal's Ctrl-C comes here, and is forwarded once.
      const started = spawn(options.command, options.args, {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        detached: true,
        env: options.env ?? process.env,
      });
      child = started;
      started.on("message", (message) => {
        if (typeof message !== "object" || message === null || !("ready" in message)) return;
        readyMs = performance.now();
        if (!wasReady) options.onFirstReady?.();
        wasReady = true;
      });
      started.on("error", (error) => {
        options.say(`The server could not be started: ${error.message}`);
        finish(1);
      });
      started.on("exit", (code, signal) => {
        child = undefined;
        if (stopRequests > 1) finish(130);
        else if (stopRequests === 1) finish(exitCodeOf(code, signal));
        else if (code === 0) finish(0);
        else if (signal === null && Number.isNaN(readyMs)) finish(exitCodeOf(code, signal));
        else restart(signal ? `was ended by ${signal}` : `ended with exit code ${code}`, performance.now() - readyMs);
      });
    };

    /** @param {string} reason @param {number} readyForMs NaN when it was never ready */
    const restart = (reason, readyForMs) => {
      failedStarts = Number.isNaN(readyForMs) ? failedStarts + 1 : 0;
      if (failedStarts >= maxFailedStarts) {
        options.say(`The server ${reason}, ${failedStarts} times in a row before it was ready: giving up`);
        finish(1);
        return;
      }
      if (readyForMs >= steadyMs) delayMs = firstDelayMs;
      options.say(`The server ${reason}; starting it again in ${delayMs / 1000} s`);
      restartTimer = setTimeout(run, delayMs);
      delayMs = Math.min(delayMs * 2, maxDelayMs);
    };

    run();
  });
}
