import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ensurePackages } from "./install-packages.mjs";
import { refuseOldNode } from "./node-version.mjs";
import { exitCodeOf } from "./run-command.mjs";

// npm run stress:transports [-- NAME…]

refuseOldNode();
const root = dirname(dirname(fileURLToPath(import.meta.url)));
await ensurePackages(root);

const child = spawn(
  process.execPath,
  ["--conditions=source", "--import", "tsx", "benchmarks/stress/transports.ts", ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" },
);
child.on("exit", (code, signal) => {
  process.exitCode = exitCodeOf(code, signal);
});
// The run has its own servers to stop; this process ends after it.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => child.kill(signal));
