import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** How a folder differs from what it should hold; all empty when it does not. Paths relative to it, sorted. */
export interface FolderDifference {
  readonly stale: readonly string[];
  readonly missing: readonly string[];
  /** Pages that are left over. */
  readonly surplus: readonly string[];
}

/** Compares without changing anything. Only files that end like a wanted one count as surplus. */
export function compareFolder(folder: string, wanted: ReadonlyMap<string, string>): FolderDifference {
  const endings = new Set([...wanted.keys()].map(endingOf));
  const present = filesIn(folder);
  return {
    stale: [...wanted].filter(([path, text]) => present.has(path) && read(folder, path) !== text).map(([path]) => path),
    missing: [...wanted.keys()].filter((path) => !present.has(path)).sort(),
    surplus: [...present].filter((path) => !wanted.has(path) && endings.has(endingOf(path))).sort(),
  };
}

/** Makes the folder hold exactly what is wanted; other kinds of files in it stay. */
export function writeFolder(folder: string, wanted: ReadonlyMap<string, string>): FolderDifference {
  const difference = compareFolder(folder, wanted);
  for (const path of [...difference.stale, ...difference.missing]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), wanted.get(path) ?? "");
  }
  for (const path of difference.surplus) rmSync(join(folder, path));
  return difference;
}

function filesIn(folder: string): ReadonlySet<string> {
  const files = new Set<string>();
  const visit = (below: string): void => {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else files.add(path);
    }
  };
  try {
    visit("");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  return files;
}

function read(folder: string, path: string): string {
  return readFileSync(join(folder, path), "utf8");
}

function endingOf(path: string): string {
  return path.slice(path.lastIndexOf("."));
}
