import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { bundlePage } from "./bundle-page.js";

const program = fileURLToPath(new URL("../sdk-apps/browser-client.mjs", import.meta.url));

test("XP-130 a bundler takes the build for browsers by itself: nothing of Node's own, and at most 12 kB gzipped", async () => {
  const { code, files } = await bundlePage(program, { minify: true });
  expect(files.filter((file) => file.includes("create-client"))).toEqual([
    expect.stringMatching(/experience-sdk\/dist\/browser\/create-client\.js$/),
  ]);
  expect(files.filter((file) => /node:|__vite-browser-external|prom-client|node-platform/.test(file))).toEqual([]);
  expect(code).not.toMatch(/\brequire\(|from"node:/);
  expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(12_000);
});
