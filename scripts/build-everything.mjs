import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";
import { buildDashboard } from "./build-dashboard.mjs";

// npm run build: everything that a server needs, without starting one.

const root = dirname(dirname(fileURLToPath(import.meta.url)));

try {
  await build(root, join("apps", "server"));
  await buildDashboard(root);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
