import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";
import { buildDashboard } from "./build-dashboard.mjs";
import { ensurePackages } from "./install-packages.mjs";
import { supervise } from "./supervise.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

try {
  await ensurePackages(root);
  await build(root, join("apps", "server"));
  await buildDashboard(root);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

process.exitCode = await supervise({
  command: process.execPath,
  args: [join(root, "apps", "server", "dist", "main.js"), "serve", ...process.argv.slice(2)],
  // The column store's calls take up to four threads of the pool, which files and compression need too.
  env: { UV_THREADPOOL_SIZE: "8", ...process.env },
  say: (line) => console.error(line),
});
