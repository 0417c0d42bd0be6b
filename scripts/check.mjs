import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensurePackages } from "./install-packages.mjs";
import { refuseOldNode } from "./node-version.mjs";
import { formatSeconds, runCommand } from "./run-command.mjs";
import { readWorkspaces } from "./workspaces.mjs";

// npm run check [-- --no-tests]: everything that can be said about the code without a server.

refuseOldNode();
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {readonly (readonly string[])[]} commands programs of `node_modules/.bin` with their arguments, or `node`
 */

/** @type {readonly Step[]} */
const steps = [
  { name: "format and lint", commands: [["biome", "ci", "--colors=off"]] },
  // Also builds what the steps below look at.
  { name: "types", commands: [["tsc", "-b"]] },
  { name: "promises and events", commands: [["oxlint"]] },
  { name: "import direction", commands: [["node", "scripts/import-direction.mjs"]] },
  { name: "lockfile", commands: [["node", "scripts/lockfile.mjs"]] },
  { name: "unused code", commands: [["knip", "--no-progress", "--treat-config-hints-as-errors"]] },
  {
    name: "published packages",
    commands: readWorkspaces(root)
      .filter(({ published }) => published)
      .flatMap(({ folder }) => [
        ["publint", "--strict", folder],
        ["attw", "--pack", folder, "--profile", "esm-only", "--no-color", "--no-emoji"],
      ]),
  },
  { name: "generated documents", commands: [["node", "scripts/generate-docs.mjs", "--check"]] },
  ...(process.argv.includes("--no-tests")
    ? []
    : [{ name: "unit tests", commands: [["vitest", "run", "--project", "unit"]] }]),
];

await ensurePackages(root);
const failures = [];
for (const { name, commands } of steps) {
  const startedMs = performance.now();
  const outputs = [];
  for (const [program = "", ...args] of commands) {
    const path = program === "node" ? process.execPath : join(root, "node_modules", ".bin", program);
    const { exitCode, output } = await runCommand(path, args, { cwd: root });
    if (exitCode !== 0) outputs.push(`${[program, ...args].join(" ")}: exit code ${exitCode}\n${output.trimEnd()}`);
  }
  console.log(
    `${outputs.length === 0 ? "ok    " : "FAILED"} ${name} (${formatSeconds(performance.now() - startedMs)})`,
  );
  if (outputs.length > 0) {
    failures.push(name);
    console.log(outputs.join("\n\n"));
  }
}
if (failures.length > 0) {
  console.log(`\nFailed: ${failures.join(", ")}`);
  process.exitCode = 1;
}
