import { readFileSync } from "node:fs";

/** Version of this program, as its package says. */
export const version = readVersion();

function readVersion(): string {
  // One folder up when built, beside this file when run from source.
  for (const path of ["../package.json", "./package.json"]) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (typeof manifest === "object" && manifest !== null && "version" in manifest) return String(manifest.version);
    } catch {
      // Not here.
    }
  }
  return "unknown";
}
