import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";
import { buildDashboard } from "./build-dashboard.mjs";
import { ensurePackages } from "./install-packages.mjs";
import { refuseOldNode } from "./node-version.mjs";
import { exitCodeOf } from "./run-command.mjs";

// npm run screenshots [-- --review FOLDER]: pictures of the dashboard with the demo's data; see testing/screenshots/run.ts.

refuseOldNode();
const root = dirname(dirname(fileURLToPath(import.meta.url)));
await ensurePackages(root);
await build(root, join("apps", "server"));
await build(root, join("examples", "forge"));
await buildDashboard(root);

const child = spawn(
  process.execPath,
  ["--conditions=source", "--import", "tsx", "testing/screenshots/run.ts", ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" },
);
child.on("exit", (code, signal) => {
  process.exitCode = exitCodeOf(code, signal);
});
// The run has a server and a browser to stop; this process ends after it.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => child.kill(signal));
