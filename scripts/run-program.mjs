import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";
import { ensurePackages } from "./install-packages.mjs";
import { refuseOldNode } from "./node-version.mjs";
import { exitCodeOf } from "./run-command.mjs";

/**
 * Runs a program of this repository from its source, with the arguments of this process, and ends as it ends.
 *
 * @param {string} program path from the root
 * @param {{ needsServer?: boolean }} [options] whether it starts the built server, as users do
 */
export async function runSource(program, { needsServer = false } = {}) {
  await run(needsServer ? [join("apps", "server")] : [], ["--conditions=source", "--import", "tsx", program]);
}

/**
 * Builds projects and runs a program of one of them as users would have it.
 *
 * @param {string} program path from the root
 * @param {readonly string[]} projects
 */
export async function runBuilt(program, projects) {
  await run(projects, [program]);
}

/** @param {readonly string[]} projects @param {readonly string[]} command */
async function run(projects, command) {
  refuseOldNode();
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  await ensurePackages(root);
  for (const project of projects) await build(root, project);

  const child = spawn(process.execPath, [...command, ...process.argv.slice(2)], { cwd: root, stdio: "inherit" });
  child.on("exit", (code, signal) => {
    process.exitCode = exitCodeOf(code, signal);
  });
  // The program has servers of its own to stop; this process ends after it.
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => child.kill(signal));
}
