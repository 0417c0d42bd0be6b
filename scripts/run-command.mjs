import { spawn } from "node:child_process";
import { constants } from "node:os";

const endingSignals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/**
 * @typedef {object} CommandResult
 * @property {number} exitCode 128 + signal number when a signal ended it
 * @property {string} output standard output and standard error as they came
 * @property {number} durationMs
 */

/**
 * Runs a program to its end and keeps what it prints. When this process is told to end meanwhile, the program is told
 * the same and this process ends with it.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<CommandResult>}
 */
export function runCommand(command, args, options = {}) {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        output += text;
      });
    }
    /** @type {NodeJS.Signals | undefined} */
    let endedBy;
    /** @param {NodeJS.Signals} signal */
    const end = (signal) => {
      endedBy = signal;
      child.kill(signal);
    };
    for (const signal of endingSignals) process.on(signal, end);
    const forget = () => {
      for (const signal of endingSignals) process.off(signal, end);
    };
    child.on("error", (error) => {
      forget();
      reject(error);
    });
    child.on("close", (code, signal) => {
      forget();
      if (endedBy) process.exit(exitCodeOf(null, endedBy));
      resolve({ exitCode: exitCodeOf(code, signal), output, durationMs: performance.now() - startedMs });
    });
  });
}

/** Exit code as a shell reports it. @param {number | null} code @param {NodeJS.Signals | null} signal */
export function exitCodeOf(code, signal) {
  return code ?? 128 + (signal ? constants.signals[signal] : 0);
}

/** @param {number} durationMs */
export function formatSeconds(durationMs) {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
