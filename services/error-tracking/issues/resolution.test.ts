import { expect, test } from "vitest";
import { isRegression, type Resolution } from "./resolution.js";

const versions = ["1.1.0", "1.2.0", "1.10.0", "abc123"];
const releases = new Map(versions.map((version, index) => [version, { version, createdAtMs: index }]));
const resolvedAtMs = 1000;

const reopens = (resolution: Resolution, release: string | undefined, receivedAtMs = 2000) =>
  isRegression(resolution, resolvedAtMs, { receivedAtMs, release }, releases);

const every: Resolution[] = [
  { kind: "now" },
  { kind: "release", release: "1.2.0" },
  { kind: "next", base: "1.2.0" },
  { kind: "next", base: null },
];

test.each(every)("ET-240 what was received no later than the resolution never reopens: %j", (resolution) => {
  for (const release of [...versions, undefined])
    for (const receivedAtMs of [0, 999, 1000]) expect(reopens(resolution, release, receivedAtMs)).toBe(false);
});

test("ET-241 resolved now, any later event reopens", () => {
  for (const release of [...versions, undefined]) expect(reopens({ kind: "now" }, release, 1001)).toBe(true);
});

test("ET-241 ET-243 resolved in 1.2.0: 1.1.0 stays resolved, 1.2.0, 1.10.0 and none reopen", () => {
  const reopened = [...versions, undefined].filter((release) =>
    reopens({ kind: "release", release: "1.2.0" }, release),
  );
  expect(reopened).toEqual(["1.2.0", "1.10.0", "abc123", undefined]);
});

test("ET-242 resolved in the next release: the newest one of that moment and older ones never reopen", () => {
  const reopened = [...versions, undefined].filter((release) => reopens({ kind: "next", base: "1.2.0" }, release));
  expect(reopened).toEqual(["1.10.0", "abc123"]);
  expect([...versions, undefined].filter((release) => reopens({ kind: "next", base: null }, release))).toEqual(
    versions,
  );
});
