import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";
import { ensurePackages } from "./install-packages.mjs";
import { installServers } from "./install-servers.mjs";
import { runTests } from "./run-tests.mjs";

// npm test [-- FILTER…]: further arguments go to Vitest.

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Programs that some test runs. */
const usedServers = ["postgres", "redis-server", "nats-server", "promtool"];

try {
  await ensurePackages(root);
  const { missing } = await installServers(usedServers);
  // Tests of the command line start the built program.
  await build(root, join("apps", "server"));
  process.exitCode = await runTests({
    root,
    args: process.argv.slice(2),
    missingServers: missing,
    requireServers: process.env["CI"] === "true",
    say: (line) => console.log(line),
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.log("0 passed, 1 failed, 0 skipped");
  process.exitCode = 1;
}
