import { expect, test } from "vitest";
import { matchesGlob } from "./glob.js";

test.each([
  ["abc", "abc", true],
  ["ABC", "abc", true],
  ["abc", "ab", false],
  ["abc", "a*", true],
  ["abc", "*c", true],
  ["abc", "*b*", true],
  ["abc", "a*c", true],
  ["aa", "a*a*a", false],
  ["a/b\nc", "a*c", true],
  ["abc", "a?c", true],
  ["ac", "a?c", false],
  ["a.c", "a.c", true],
  ["abc", "a.c", false],
  ["", "*", true],
  ["a+b", "a+?", true],
])("%j against %j: %s", (text, glob, matches) => {
  expect(matchesGlob(text, glob)).toBe(matches);
});

test("many stars in a row cost nothing", () => {
  const before = process.cpuUsage();
  expect(matchesGlob("a".repeat(8000), `${"a*".repeat(200)}b`)).toBe(false);
  expect(matchesGlob("a".repeat(8000), `${"*".repeat(50)}?b`)).toBe(false);
  expect(matchesGlob("a".repeat(8000), `${"*a?".repeat(50)}b`)).toBe(false);
  expect(process.cpuUsage(before).user / 1_000).toBeLessThan(5_000);
});
