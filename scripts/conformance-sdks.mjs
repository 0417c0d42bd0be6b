import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";
import { ensurePackages } from "./install-packages.mjs";
import { refuseOldNode } from "./node-version.mjs";
import { exitCodeOf } from "./run-command.mjs";

// npm run conformance:sdks [-- LANGUAGE…]: sends with the newest Sentry SDK of each language and looks at what arrived.

refuseOldNode();
const root = dirname(dirname(fileURLToPath(import.meta.url)));
await ensurePackages(root);
// The server is started as its users do.
await build(root, join("apps", "server"));

const child = spawn(
  process.execPath,
  ["--conditions=source", "--import", "tsx", "testing/conformance/run.ts", ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" },
);
child.on("exit", (code, signal) => {
  process.exitCode = exitCodeOf(code, signal);
});
// The run has a server to stop; this process ends after it.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => child.kill(signal));
