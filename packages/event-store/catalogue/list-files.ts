import { readdirSync } from "node:fs";
import { join } from "node:path";

const sourceFile = /\.(?:ts|mts|js|mjs|tsx|jsx)$/;
const leftOut = /\.(?:test|spec)\.[a-z]+$|\.d\.[a-z]*ts$/;
const foldersLeftOut: ReadonlySet<string> = new Set(["node_modules", "dist", ".git", "testing", "__tests__"]);

/** Source files below `root` that match one of the globs; relative to it, with `/`, sorted. */
export function listFiles(root: string, globs: readonly string[]): readonly string[] {
  const patterns = globs.map(globPattern);
  const files = [...walk(root, "")].filter(
    (path) => sourceFile.test(path) && !leftOut.test(path) && patterns.some((pattern) => pattern.test(path)),
  );
  return files.sort();
}

function* walk(root: string, folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!foldersLeftOut.has(entry.name)) yield* walk(root, path);
    } else if (entry.isFile()) yield path;
  }
}

/** Exported for its test. */
export function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/^\.\//, "")
    .split(/(\*\*\/|\*\*|\*|\{[^{}]*\})/)
    .map((part) => {
      if (part === "**/") return "(?:[^/]+/)*";
      if (part === "**") return ".*";
      if (part === "*") return "[^/]*";
      if (part.startsWith("{")) return `(?:${part.slice(1, -1).split(",").map(quoted).join("|")})`;
      return quoted(part);
    })
    .join("");
  return new RegExp(`^${source}$`);
}

function quoted(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
