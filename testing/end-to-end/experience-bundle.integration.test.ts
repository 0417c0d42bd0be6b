import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundlePage } from "./bundle-page.js";

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const run = promisify(execFile);

test("XP-130 a bundler takes the build for browsers by itself: nothing of Node's own, and at most 12 kB gzipped", async () => {
  const { code, files } = await bundlePage(pathOf("../sdk-apps/browser-entry.mjs"), { minify: true });
  expect(files.filter((file) => file.includes("create-client"))).toEqual([
    expect.stringMatching(/experience-sdk\/dist\/browser\/create-client\.js$/),
  ]);
  expect(files.filter((file) => /node:|__vite-browser-external|prom-client|node-platform/.test(file))).toEqual([]);
  expect(code).not.toMatch(/\brequire\(|from"node:/);
  for (const name of ["createClient", "instrumentFetch", "pageCarrier", "correlationTagger", "ExperienceSdkError"])
    expect(code).toContain(`e.${name}=`);
  expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(12_000);
});

describe("in an application that has the package installed", () => {
  const folder = mkdtempSync(join(tmpdir(), "experience-page-"));

  beforeAll(() => {
    mkdirSync(join(folder, "node_modules", "@signalbox"), { recursive: true });
    symlinkSync(pathOf("../../packages/experience-sdk"), join(folder, "node_modules", "@signalbox", "experience-sdk"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    for (const [file, entry] of [
      ["page.ts", "@signalbox/experience-sdk/browser"],
      ["root.ts", "@signalbox/experience-sdk"],
    ] as const)
      writeFileSync(
        join(folder, file),
        `import { type Client, createClient, pageCarrier } from "${entry}";
        const definitions = { checkout: { feature_category: "shop", urgency: "sync_fast" } } as const;
        const client: Client = createClient({ endpoint: "https://signalbox.example", token: "t", definitions });
        client.resume("checkout", pageCarrier()).complete();
        // @ts-expect-error A page has no folder.
        createClient({ endpoint: "https://signalbox.example", definitions: "config" });`,
      );
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("XP-130 Node takes the build for Node", async () => {
    const program = 'console.log(import.meta.resolve("@signalbox/experience-sdk"))';
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: folder });
    expect(stdout).toMatch(/experience-sdk\/dist\/index\.js\n$/);
  });

  // No types of Node: a page has none.
  test.each([
    ["nodenext", "page.ts", []],
    ["node16", "page.ts", []],
    ["bundler", "page.ts", []],
    ["bundler", "root.ts", ["--customConditions", "browser"]],
  ])("XP-130 the types are right under %s for %s %s", async (resolution, file, more) => {
    const options = [
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--target",
      "es2022",
      "--lib",
      "es2023,dom",
      "--types",
      "",
    ];
    const module = resolution === "bundler" ? "esnext" : resolution;
    const compiler = pathOf("../../node_modules/typescript/bin/tsc");
    await run(
      process.execPath,
      [compiler, ...options, "--module", module, "--moduleResolution", resolution, ...more, file],
      { cwd: folder },
    ).catch((error: unknown) => expect.fail(JSON.stringify(error)));
  });
});
