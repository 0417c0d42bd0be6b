import { build } from "vite";

export interface PageProgram {
  readonly code: string;
  /** The files that are in it. */
  readonly files: readonly string[];
}

/** A page's program with all that it imports, as an application's build makes it. */
export async function bundlePage(program: string, { minify = false } = {}): Promise<PageProgram> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    build: { write: false, minify, lib: { entry: program, formats: ["iife"], name: "page" } },
  });
  const [output] = Array.isArray(built) ? built : [];
  const [chunk] = output?.output ?? [];
  if (chunk === undefined) throw new Error("The page's program was not bundled.");
  return { code: chunk.code, files: chunk.moduleIds };
}
