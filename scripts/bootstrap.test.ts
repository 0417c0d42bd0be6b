import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

test("PF-002 the scripts use Node's own modules and each other, nothing that must be installed first", () => {
  const foreign = readdirSync(new URL(".", import.meta.url))
    .filter((name) => name.endsWith(".mjs"))
    .flatMap((name) =>
      [...read(`./${name}`).matchAll(/^(?:import|export) .*?from "([^"]+)"|^\s*(?:void |await )?import\("([^"]+)"\)/gm)]
        .map((match) => `${name}: ${match[1] ?? match[2]}`)
        .filter((found) => !/: (?:node:|\.\/)/.test(found)),
    );
  expect(foreign).toEqual([]);
});

test("PF-007 .ci/run installs, checks, and then calls exactly the test command that the README names", () => {
  const commands = read("../.ci/run")
    .split("\n")
    .filter((line) => line.startsWith("npm "))
    .map((line) => line.replace(" </dev/null", ""));
  expect(commands).toEqual(["npm ci", "npm run check -- --no-tests", "npm test"]);
  expect(read("../README.md")).toMatch(/^npm test\b/m);
  expect(read("../.ci/run")).toContain("set -euo pipefail");
});

test("PF-007 the check looks at format, types, promises, imports, unused code, packages and documents", () => {
  const steps = [...read("./check.mjs").matchAll(/\{ name: "([^"]+)"|^ {4}name: "([^"]+)"/gm)].map(
    (match) => match[1] ?? match[2],
  );
  expect(steps).toEqual([
    ...["format and lint", "types", "promises and events", "import direction", "lockfile", "unused code"],
    ...["published packages", "generated documents", "unit tests"],
  ]);
});
