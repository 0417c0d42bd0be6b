import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as main from "nostr-tools";
import type * as pure from "nostr-tools/pure";

// The package names source files under the condition `source`, which a run from the sources has, and ships none. So its
// built files are loaded by their place, wherever this file itself was built to.
const folders = createRequire(import.meta.url).resolve.paths("nostr-tools") ?? [];
const built = folders.map((folder) => join(folder, "nostr-tools/lib/esm")).find((folder) => existsSync(folder));

function load(file: string): Promise<unknown> {
  if (built === undefined) throw new Error("nostr-tools is not installed");
  return import(pathToFileURL(join(built, file)).href);
}

export const loadNostrTools = (): Promise<typeof main> => load("index.js") as Promise<typeof main>;
export const loadPureNostrTools = (): Promise<typeof pure> => load("pure.js") as Promise<typeof pure>;
