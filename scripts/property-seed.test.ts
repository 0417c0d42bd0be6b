import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
let directory: string;
beforeEach(() => {
  // Inside, so that its imports are found.
  directory = mkdtempSync(join(root, "scripts", ".seed-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Runs a property that fails with some numbers, and resolves with what it says. */
function run(env: Readonly<Record<string, string>>): Promise<string> {
  const program = join(directory, "property.mjs");
  const setup = JSON.stringify(new URL("property-seed.mjs", import.meta.url).href);
  writeFileSync(
    program,
    `await import(${setup});
     const { default: fc } = await import("fast-check");
     const seen = [];
     try {
       fc.assert(fc.property(fc.integer({ min: 0, max: 1_000_000 }), (number) => { seen.push(number); return number < 900_000; }));
     } catch (error) { console.log(error.message); }
     console.log("first " + seen[0] + ", " + seen.length + " in all: " + seen);`,
  );
  const { FC_SEED: _, FC_PATH: __, FC_RUNS: ___, CI: ____, ...inherited } = process.env;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program], { cwd: root, env: { ...inherited, ...env } }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    );
  });
}

test("a property that fails tells its seed and path, and FC_SEED and FC_PATH lead straight to the same failure", async () => {
  const output = await run({});
  const { seed = "", path = "" } = /seed: (?<seed>-?\d+), path: "(?<path>[\d:]+)"/.exec(output)?.groups ?? {};
  const counterexample = /Counterexample: \[(\d+)\]/.exec(output)?.[1] ?? "";
  expect([seed, path, counterexample]).not.toContain("");
  const repeated = await run({ FC_SEED: seed, FC_PATH: path });
  expect(repeated).toContain(`Counterexample: [${counterexample}]`);
  expect(repeated).toContain(`first ${counterexample},`);
});

test("with CI=true a property always sees the same, unless FC_SEED says otherwise", async () => {
  const output = await run({ CI: "true" });
  expect(await run({ CI: "true" })).toBe(output);
  const repeated = await run({ CI: "true", FC_SEED: "7" });
  expect(repeated).not.toBe(output);
  expect(await run({ FC_SEED: "7" })).toBe(repeated);
});
