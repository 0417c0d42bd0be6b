import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const folders = fileURLToPath(new URL("../../packages/", import.meta.url));

/** Those with a README, unless its example needs a server or more than one file: then a test of their own runs it. */
const packages = readdirSync(folders).filter(
  (name) =>
    existsSync(join(folders, name, "README.md")) && !existsSync(join(folders, name, "readme.integration.test.ts")),
);

test.for(packages)("PF-081 the first example in the README of %s runs and prints what the README says", (name) => {
  const folder = join(folders, name);
  const readme = readFileSync(join(folder, "README.md"), "utf8");
  const [, example = ""] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  const [, printed] = /```text\n(.*?)```/s.exec(readme) ?? [];
  // Inside the package, so that the example imports it by name as an application does.
  const dist = join(folder, "dist");
  mkdirSync(dist, { recursive: true });
  const place = mkdtempSync(join(dist, "readme-"));
  try {
    const file = join(place, "example.ts");
    writeFileSync(file, example);
    const output = execFileSync(process.execPath, ["-C", "source", "--import", "tsx", file], { encoding: "utf8" });
    expect(output).toBe(printed);
  } finally {
    rmSync(place, { recursive: true });
  }
});
