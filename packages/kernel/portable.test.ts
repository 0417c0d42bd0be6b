import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as everything from "./index.js";
import * as portable from "./portable.js";

/** What is imported from elsewhere by a file and by the files that are loaded with it. */
function outsideOf(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const code = readFileSync(new URL(file, import.meta.url), "utf8");
  const statements = [...code.matchAll(/^(?:import|export)\s(?!type\b)[^;"]*?"([^"]+)";/gm)];
  return statements.flatMap(([, specifier = ""]) =>
    specifier.startsWith("./") ? outsideOf(specifier.replace(/\.js$/, ".ts"), seen) : [specifier],
  );
}

test("XP-130 the portable part loads no module of Node's own, and is the same as that of the whole", () => {
  expect(outsideOf("./index.ts")).toContain("node:async_hooks");
  expect(outsideOf("./portable.ts")).toEqual([]);
  expect(everything).toMatchObject(portable);
});
