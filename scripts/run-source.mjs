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
  refuseOldNode();
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  await ensurePackages(root);
  if (needsServer) await build(root, join("apps", "server"));

  const args = ["--conditions=source", "--import", "tsx", program, ...process.argv.slice(2)];
  const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
  child.on("exit", (code, signal) => {
    process.exitCode = exitCodeOf(code, signal);
  });
  // The program has servers of its own to stop; this process ends after it.
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => child.kill(signal));
}
