import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";

/**
 * For Vitest: integration tests start the built program, which is to be the one of the sources beside it. A build that
 * fails leaves the last one in place, since most tests run from source.
 */
export default async function setup() {
  try {
    await build(dirname(dirname(fileURLToPath(import.meta.url))), join("apps", "server"));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
}
