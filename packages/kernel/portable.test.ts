import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as everything from "./index.js";
import * as portable from "./portable.js";

/** What is imported from elsewhere by a file and by the files that are loaded with it. */
function outsideOf(file: URL, seen = new Set<string>()): string[] {
  if (seen.has(file.href)) return [];
  seen.add(file.href);
  const statements = readFileSync(file, "utf8").matchAll(/^(?:import|export)\s(?!type\b)[^;"]*?"([^"]+)";/gm);
  return [...statements].flatMap(([, specifier = ""]) =>
    specifier.startsWith(".") ? outsideOf(new URL(specifier.replace(/\.js$/, ".ts"), file), seen) : [specifier],
  );
}

const here = (name: string): URL => new URL(name, import.meta.url);

test("XP-130 the portable part loads no module of Node's own, and is the same as that of the whole", () => {
  expect(outsideOf(here("index.ts"))).toContain("node:async_hooks");
  expect(outsideOf(here("portable.ts"))).toEqual([]);
  expect(everything).toMatchObject(portable);
});
