import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cacheKey, type LintSettings, rules } from "../lint.js";
import { matchesGlob } from "./globs.js";

test("ES-371 the cache key is 64 hexadecimal digits, and each setting and the manifest's content change it", () => {
  const cwd = mkdtempSync(join(tmpdir(), "cache-key-"));
  writeFileSync(join(cwd, "a.json"), "{}");
  writeFileSync(join(cwd, "b.json"), "{}");
  const base: LintSettings = {
    contexts: { ci: ["ci/**"], notes: ["notes/**"] },
    editions: { enterprise: ["ee/**"] },
    manifest: "a.json",
    exempt: ["ci.old_*"],
  };
  const key = (changes: LintSettings = {}): string => cacheKey({ ...base, ...changes }, { cwd });
  expect(key()).toMatch(/^[0-9a-f]{64}$/);
  expect(key()).toBe(key());
  // Where the manifest stands makes no difference, what it says does.
  expect(key({ manifest: "b.json" })).toBe(key());
  writeFileSync(join(cwd, "b.json"), '{"subscriptions":[]}');
  const keys = [
    key(),
    key({ manifest: "b.json" }),
    key({ contexts: { ci: ["ci/**"], notes: ["other/**"] } }),
    key({ contexts: { notes: ["notes/**"], ci: ["ci/**"] } }),
    key({ contexts: { ci: ["ci/**"] } }),
    key({ editions: { enterprise: ["ee/**", "more/**"] } }),
    key({ editions: {} }),
    key({ exempt: [] }),
    key({ stores: ["store"] }),
    cacheKey({}),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  rmSync(cwd, { recursive: true });
});

test("ES-370 each rule has a page that names it, and a description", () => {
  for (const [name, { meta }] of Object.entries(rules)) {
    const file = meta.docs.url.replace("https://github.com/signalbox/signalbox/blob/main/", "");
    const page = readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8");
    expect(page).toMatch(new RegExp(`^# event-store/${name}\n`));
    expect(page).toContain("## Wrong");
    expect(page).toContain("## Right");
    expect(meta.docs.description).not.toBe("");
    const list = readFileSync(new URL("../../../docs/lint/README.md", import.meta.url), "utf8");
    expect(list).toContain(`[${name}](${name}.md)`);
  }
});

test("globs match paths from the working directory", () => {
  const matching = [
    ["modules/ci/**", "modules/ci/events/a.ts"],
    ["./modules/ci/*.ts", "modules/ci/a.ts"],
    ["**/events.ts", "events.ts"],
    ["**/events.ts", "a/b/events.ts"],
    ["**/{models,hooks}/**", "a/hooks/b.ts"],
    ["ci.legacy_*", "ci.legacy_thing"],
    ["a?.ts", "ab.ts"],
    ["@forge/ci", "@forge/ci"],
  ] as const;
  for (const [glob, path] of matching) expect([glob, path, matchesGlob(path, [glob])]).toEqual([glob, path, true]);
  const others = [
    ["modules/ci/*", "modules/ci/events/a.ts"],
    ["modules/ci/**", "other/modules/ci/a.ts"],
    ["a.ts", "abts"],
    ["**/{models,hooks}/**", "a/models.ts"],
  ] as const;
  for (const [glob, path] of others) expect([glob, path, matchesGlob(path, [glob])]).toEqual([glob, path, false]);
  expect(matchesGlob("anything", [])).toBe(false);
});
