import { fileURLToPath } from "node:url";

/** Arguments for Node that run a file of the benchmarks, given without its ending, as this one runs: built or from source. */
export function commandOf(file: string, base: string): string[] {
  const fromSource = import.meta.url.endsWith(".ts");
  const path = fileURLToPath(new URL(`${file}.${fromSource ? "ts" : "js"}`, base));
  return fromSource ? ["--conditions=source", "--import", "tsx", path] : [path];
}
