import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = readFileSync(new URL("./README.md", import.meta.url), "utf8");
const require = createRequire(import.meta.url);

/** The package and those of ours that it needs. */
const packages = ["kernel", "database", "blobs", "event-store"];

/** Files of the example, each named in its first line. */
const files = [...readme.matchAll(/```ts\n\/\/ (\S+)\n(.*?)```/gs)].map(([, path = "", code = ""]) => ({ path, code }));

// A project of somebody else: outside of this repository, with the packages as they would be published.
const project = mkdtempSync(join(tmpdir(), "event-store-readme-"));
afterAll(() => rmSync(project, { recursive: true, force: true }));

beforeAll(() => {
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "@signalbox"), { recursive: true });
  for (const name of packages) installPacked(name);
  // What they depend on was installed from the registry already.
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "@signalbox" && !name.startsWith("."))
      symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  for (const { path, code } of files) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), code);
  }
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "ES2022",
        module: "nodenext",
        types: ["node"],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        verbatimModuleSyntax: true,
        outDir: "dist",
        rootDir: ".",
      },
      exclude: ["node_modules", "dist"],
    }),
  );
});

function installPacked(name: string): void {
  const output = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], {
    cwd: join(root, "packages", name),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ filename }]: [{ filename: string }] = JSON.parse(output);
  const folder = join(project, "node_modules/@signalbox", name);
  mkdirSync(folder);
  execFileSync("tar", ["-xzf", join(project, filename), "-C", folder, "--strip-components=1"]);
}

function run(program: string, args: readonly string[]): { readonly exitCode: number | null; readonly output: string } {
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: project,
    encoding: "utf8",
    env: { ...env, NO_COLOR: "1" },
  });
  return { exitCode: status, output: stdout + stderr };
}

test("PF-081 the example of the README is a project that compiles in strict mode with the packages as published", () => {
  expect(files.map(({ path }) => path)).toEqual([
    "modules/ci/events/pipeline-finished.ts",
    "modules/ci/finish-pipeline.ts",
    "modules/merge_requests/block-merge.ts",
    "main.ts",
    "modules/ci/finish-pipeline.test.ts",
    "modules/merge_requests/block-merge.test.ts",
    "durable.ts",
  ]);
  const compiler = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
  expect(run(process.execPath, [compiler, "-p", "."])).toEqual({ exitCode: 0, output: "" });
});

test("PF-081 the example runs and prints what the README says", () => {
  const [, printed] = /```text\n(.*?)```/s.exec(readme) ?? [];
  expect(run(process.execPath, ["dist/main.js"])).toEqual({ exitCode: 0, output: printed });
});

test("PF-081 what one process of the durable example publishes another one handles", () => {
  expect(run(process.execPath, ["dist/durable.js", "publish"])).toEqual({ exitCode: 0, output: "" });
  expect(run(process.execPath, ["dist/durable.js"])).toEqual({ exitCode: 0, output: "blocked: [ 1 ]\n" });
});

test("PF-081 the tests of both sides pass", () => {
  const tests = files
    .filter(({ path }) => path.endsWith(".test.ts"))
    .map(({ path }) => `dist/${path.replace(/ts$/, "js")}`);
  const { exitCode, output } = run(process.execPath, ["--test", "--test-reporter=tap", ...tests]);
  expect(output).toMatch(/^# pass 5$/m);
  expect(output).toMatch(/^# fail 0$/m);
  expect(exitCode).toBe(0);
});

test("ES-370 the example keeps the recommended rules", () => {
  const list = `
    import plugin from "@signalbox/event-store/lint";
    console.log(JSON.stringify(plugin.configs.recommended.rules));`;
  const rules = JSON.parse(run(process.execPath, ["--input-type=module", "-e", list]).output);
  const contexts = { ci: ["modules/ci/**"], merge_requests: ["modules/merge_requests/**"] };
  writeFileSync(
    join(project, ".oxlintrc.json"),
    JSON.stringify({
      jsPlugins: ["@signalbox/event-store/lint"],
      settings: { "event-store": { contexts } },
      rules,
    }),
  );
  const oxlint = join(dirname(require.resolve("oxlint/package.json")), "bin/oxlint");
  const { exitCode, output } = run(process.execPath, [oxlint, "main.ts", "durable.ts", "modules"]);
  expect(output).toMatch(/^Found 0 warnings and 0 errors\.\nFinished .* on 7 files with \d+ rules/m);
  expect(exitCode).toBe(0);
});
