import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareReleases, newestRelease } from "./release-order.js";

const at = (version: string, createdAtMs = 0) => ({ version, createdAtMs });

test.each([
  ["1.1.0", "1.2.0"],
  ["1.2.0", "1.10.0"],
  ["1.2.0-alpha", "1.2.0"],
  ["1.2.0-alpha.2", "1.2.0-alpha.10"],
  ["1.2.0-alpha.1", "1.2.0-alpha.beta"],
  ["1.2.0-rc", "1.2.0-rc.1"],
  ["1.2.0", "1.2.0+1"],
  ["1.2.0+9", "1.2.0+10"],
  ["shop@1.2.0", "shop@1.10.0"],
  ["shop@v1.2.0", "web@1.10.0"],
  ["v1.9.9", "2.0.0"],
  ["com.shop.app@1.2.3+45", "com.shop.app@1.2.3+46"],
])("ET-243 %s comes before %s, whenever they became known", (older, newer) => {
  expect(compareReleases(at(older, 2), at(newer, 1))).toBeLessThan(0);
  expect(compareReleases(at(newer, 1), at(older, 2))).toBeGreaterThan(0);
});

test.each([
  ["1.2", "1.2.3"],
  ["fe12ab3", "1.0.0"],
  ["2026-01-02", "2025-01-02"],
  ["1.02.3", "1.2.3"],
  ["shop@1.2.0", "web@1.2.0"],
])("ET-243 %s and %s go by when they became known", (a, b) => {
  expect(compareReleases(at(a, 1), at(b, 2))).toBeLessThan(0);
  expect(compareReleases(at(a, 2), at(b, 1))).toBeGreaterThan(0);
  expect(compareReleases(at(a, 1), at(b, 1))).toBe(0);
});

test("the newest release is the last of those that none comes after", () => {
  expect(newestRelease([])).toBeUndefined();
  expect(newestRelease([at("1.10.0", 1), at("1.9.0", 2)])?.version).toBe("1.10.0");
  expect(newestRelease([at("1.10.0", 1), at("abc", 2)])?.version).toBe("abc");
});

test("comparing the other way round is the contrary, whatever the versions", () => {
  const version = fc.oneof(fc.string(), fc.stringMatching(/^v?\d{1,3}\.\d\.\d(-[a-c0-9.]{1,5})?(\+[0-9.]{1,5})?$/));
  const release = fc.record({ version, createdAtMs: fc.nat(3) });
  fc.assert(
    fc.property(release, release, (a, b) => {
      expect(Math.sign(compareReleases(a, b)) + Math.sign(compareReleases(b, a))).toBe(0);
    }),
  );
});
