import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";
import { buildDashboard } from "./build-dashboard.mjs";

/**
 * For Vitest: integration tests start the built program, which is to be the one of the sources beside it. A build that
 * fails leaves the last one in place, since most tests run from source.
 */
export default async function setup() {
  try {
    const root = dirname(dirname(fileURLToPath(import.meta.url)));
    await build(root, join("apps", "server"));
    await build(root, join("examples", "forge"));
    await buildDashboard(root);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
}
