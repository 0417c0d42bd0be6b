import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.mjs";
import { showProgress } from "./show-progress.mjs";

/**
 * Builds projects and what they reference. The compiler finds out by itself what is up to date, in a fraction of a
 * second when everything is.
 *
 * @param {string} root
 * @param {readonly string[]} projects
 */
export async function build(root, ...projects) {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  await showProgress({ begin: "Building", done: "Build is up to date" }, async () => {
    const { exitCode, output } = await runCommand(process.execPath, [compiler, "-b", ...projects], { cwd: root });
    if (exitCode !== 0) throw new Error(`The build failed:\n${output.trimEnd()}`);
    // npm makes programs of a package executable when it installs; in a new clone this one is built only afterwards.
    const program = join(root, "apps", "server", "dist", "main.js");
    if (existsSync(program)) chmodSync(program, 0o755);
  });
}
