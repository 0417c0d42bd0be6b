import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readJson, readWorkspaces } from "./workspaces.mjs";

const root = new URL("..", import.meta.url).pathname;
const workspaces = readWorkspaces(root);
const published = workspaces.filter(({ published }) => published);
const privateNames = new Set(workspaces.filter(({ published }) => !published).map(({ name }) => name));

test("PF-081 what applications embed is published", () => {
  const names = published.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining([
      "@signalbox/kernel",
      "@signalbox/database",
      "@signalbox/blobs",
      "@signalbox/event-store",
      "@signalbox/sentry-protocol",
    ]),
  );
});

// That exports resolve and types are right is what publint and attw check in `npm run check`.
describe.each(published)("$name", ({ folder }) => {
  const manifest = readJson(join(root, folder, "package.json"));

  test("PF-081 is an ES module for the supported Node, with licence and origin", () => {
    expect(manifest).toMatchObject({
      type: "module",
      license: "Apache-2.0",
      engines: { node: ">=20.19.0" },
      repository: { directory: folder },
    });
  });

  test("PF-081 has types for every entry, and importing it does nothing", () => {
    for (const [entry, conditions] of Object.entries(manifest.exports)) {
      expect(conditions, entry).toMatchObject({
        types: expect.stringMatching(/^\.\/dist\/.*\.d\.ts$/),
        default: expect.stringMatching(/^\.\/dist\/.*\.js$/),
      });
    }
    // What registers matchers with a test runner is imported for just that.
    const effects = manifest.sideEffects || [];
    expect(effects.filter((file: string) => !/^\.\/dist\/testing\/(?:vitest|jest)\.js$/.test(file))).toEqual([]);
  });

  test("PF-081 depends on no code of the server", () => {
    const dependencies = Object.keys(manifest.dependencies ?? {});
    expect(dependencies.filter((name) => privateNames.has(name))).toEqual([]);
  });

  test("PF-081 has a changelog that names the version, and a README whose first example is run by a test", () => {
    expect(readFileSync(join(root, folder, "CHANGELOG.md"), "utf8")).toContain(`\n## ${manifest.version}\n`);
    // Where the package has no test of its own, that of all READMEs runs the example and compares what it prints.
    const readme = readFileSync(join(root, folder, "README.md"), "utf8");
    const hasOwnTest = existsSync(join(root, folder, "readme.integration.test.ts"));
    expect(readme).toMatch(hasOwnTest ? /```ts\n/ : /```ts\n.*```text\n/s);
  });
});
