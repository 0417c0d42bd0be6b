import type * as main from "nostr-tools";
import type * as pure from "nostr-tools/pure";

// The package names source files under the condition `source`, with which benchmarks run, and ships none. So its built
// files are loaded by their place.

function load(file: string): Promise<unknown> {
  return import(new URL(`../../node_modules/nostr-tools/lib/esm/${file}`, import.meta.url).href);
}

export const loadNostrTools = (): Promise<typeof main> => load("index.js") as Promise<typeof main>;
export const loadPureNostrTools = (): Promise<typeof pure> => load("pure.js") as Promise<typeof pure>;
