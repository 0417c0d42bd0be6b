import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { exitCodeOf } from "./run-command.mjs";
import { countsFileVariable } from "./test-counts-reporter.mjs";
import { readJson } from "./workspaces.mjs";

/** How long a run that was told to end may clean up before everything it started is killed. */
const cleanUpMs = 5_000;

/**
 * Runs the tests, prints which were skipped or unsteady and, as the very last line, the numbers.
 *
 * @param {object} options
 * @param {string} options.root
 * @param {readonly string[]} options.args for Vitest
 * @param {readonly string[]} options.missingServers servers that some tests need and this machine lacks
 * @param {boolean} options.requireServers a missing server counts as a failure
 * @param {(line: string) => void} options.say
 * @returns {Promise<number>} the exit code
 */
export async function runTests({ root, args, missingServers, requireServers, say }) {
  // Also what tests keep beside themselves goes there, so that nothing is left of one that was killed.
  const folder = mkdtempSync(join(tmpdir(), "signalbox-tests-"));
  // PostgreSQL runs as another user.
  chmodSync(folder, 0o711);
  const countsFile = join(folder, "counts.json");
  try {
    const exitCode = await runVitest(root, args, countsFile);
    const counts = readCounts(countsFile);
    say("");
    if (missingServers.length > 0) say(`Missing servers: ${missingServers.join(", ")}`);
    if (counts.skippedTests.length > 0) say("Skipped:");
    for (const name of counts.skippedTests) say(`  ${name}`);
    if (counts.unsteadyTests.length > 0) say("Passed only when tried again:");
    for (const name of counts.unsteadyTests) say(`  ${name}`);
    const failed = counts.failed + (requireServers ? missingServers.length : 0);
    // Vitest can fail without a failed test, for example when no file matches.
    if (exitCode !== 0 && failed === 0) say(`Vitest ended with exit code ${exitCode}`);
    say(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
    return failed > 0 && exitCode === 0 ? 1 : exitCode;
  } finally {
    remove(folder);
  }
}

/** @param {string} root @param {readonly string[]} args @param {string} countsFile @returns {Promise<number>} */
function runVitest(root, args, countsFile) {
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const reporter = fileURLToPath(new URL("./test-counts-reporter.mjs", import.meta.url));
  return new Promise((resolve, reject) => {
    // A process group of its own, so that an interrupted run ends with everything that it started.
    const child = spawn(process.execPath, [vitest, "run", "--reporter=default", `--reporter=${reporter}`, ...args], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
      env: { ...process.env, TMPDIR: dirname(countsFile), [countsFileVariable]: countsFile },
    });
    /** @param {NodeJS.Signals} signal */
    const onSignal = (signal) => {
      killGroup(child.pid, signal);
      setTimeout(() => killGroup(child.pid, "SIGKILL"), cleanUpMs).unref();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
      killGroup(child.pid, "SIGKILL");
      resolve(exitCodeOf(code, signal));
    });
  });
}

/** @param {number | undefined} pid @param {NodeJS.Signals} signal */
function killGroup(pid, signal) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nothing of the group is left.
  }
}

/** @param {string} folder */
function remove(folder) {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  } catch {
    // A disk that a killed test had mounted; the result of the run stands.
  }
}

/** @param {string} path @returns {import("./test-counts-reporter.mjs").TestCounts} */
function readCounts(path) {
  try {
    return readJson(path);
  } catch {
    return { passed: 0, failed: 1, skipped: 0, skippedTests: [], unsteadyTests: [] };
  }
}
