import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL(".", import.meta.url));
const features = readdirSync(join(root, "features"));

/** Sources of the pages below a folder, tests left out. */
function sourcesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name))
    .map((name) => join(folder, name));
}

const textOf = (path: string): string => readFileSync(join(root, path), "utf8");
const pages = ["app", "features", "shared"].flatMap(sourcesBelow);

/** The folder of each file that a source imports, relative to the dashboard. */
function importedFrom(path: string): readonly string[] {
  return [...textOf(path).matchAll(/(?:from\s*|import\s*\(?\s*)"(\.[^"]+)"/g)].map(([, specifier = ""]) =>
    relative(root, join(root, path, "..", specifier)),
  );
}

test("UI-080 each feature has its own routes, and the frame only puts them together", () => {
  for (const feature of features) {
    const routes = sourcesBelow(join("features", feature)).filter((path) => /\/routes\.tsx?$/.test(path));
    expect(routes, feature).toHaveLength(1);
    for (const target of importedFrom(routes[0] ?? "")) expect(target).toMatch(new RegExp(`^features/${feature}/`));
  }
  const fromFeatures = sourcesBelow("app").flatMap((path) =>
    importedFrom(path).filter((target) => target.startsWith("features/")),
  );
  expect(fromFeatures.sort()).toEqual(features.map((feature) => `features/${feature}/routes.js`).sort());
});

test("UI-080 features do not import each other, and what they share imports none of them", () => {
  const wrong = [...sourcesBelow("features"), ...sourcesBelow("shared"), ...sourcesBelow("api")].flatMap((path) => {
    const own = path.startsWith("features/") ? path.split("/").slice(0, 2).join("/") : undefined;
    return importedFrom(path)
      .filter((target) => /^(?:features|app)\//.test(target) && (own === undefined || !target.startsWith(`${own}/`)))
      .map((target) => `${path} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});

test("UI-080 requests go through api/ alone, and are typed by the server's document", () => {
  const asking = pages.filter((path) =>
    /\bfetch\(|\bnew (?:EventSource|XMLHttpRequest|WebSocket)\b|sendBeacon/.test(textOf(path)),
  );
  expect(asking).toEqual([]);
  expect(textOf("api/client.ts")).toContain('import type { paths } from "./schema.js"');
  expect(textOf("api/client.ts")).toContain("createClient<paths>");
});
