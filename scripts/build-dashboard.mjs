import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.mjs";
import { showProgress } from "./show-progress.mjs";

/**
 * Builds the dashboard's pages unless nothing has changed since they were built.
 *
 * @param {string} root
 */
export async function buildDashboard(root) {
  const folder = join(root, "apps", "dashboard");
  const built = join(folder, "dist", "index.html");
  if (existsSync(built) && newestChange(folder) <= statSync(built).mtimeMs) return;
  await showProgress({ begin: "Building the dashboard", done: "Dashboard built" }, async () => {
    const vite = join(root, "node_modules", "vite", "bin", "vite.js");
    const { exitCode, output } = await runCommand(process.execPath, [vite, "build"], {
      cwd: folder,
      // Started by a test, it would build the libraries' versions for development.
      env: { ...process.env, NODE_ENV: "production" },
    });
    if (exitCode !== 0) throw new Error(`The build of the dashboard failed:\n${output.trimEnd()}`);
  });
}

/** @param {string} folder @returns {number} when something in it was changed last, in Unix milliseconds */
function newestChange(folder) {
  let newestMs = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (["dist", "node_modules", ".cache"].includes(entry.name)) continue;
    const path = join(folder, entry.name);
    newestMs = Math.max(newestMs, entry.isDirectory() ? newestChange(path) : statSync(path).mtimeMs);
  }
  return newestMs;
}
