import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";
import { buildDashboard } from "./build-dashboard.mjs";

/**
 * For Vitest: integration tests start the built program and built helpers, which are to be those of the sources beside
 * them. A build that fails leaves the last one in place, since most tests run from source.
 */
export default async function setup() {
  try {
    const root = dirname(dirname(fileURLToPath(import.meta.url)));
    await build(root, join("apps", "server"), join("examples", "forge"), "testing", "benchmarks");
    await buildDashboard(root);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
}
