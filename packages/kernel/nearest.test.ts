import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearestName } from "./nearest.js";

const known = ["listen", "data_dir", "database", "shutdown", "storage"];

test.each([
  ["lisen", "listen"],
  ["litsen", "listen"],
  ["LISTEN", "listen"],
  ["dataDir", "data_dir"],
  ["databse", "database"],
  ["shut_down", "shutdown"],
])("%s most likely means %s", (name, meant) => expect(nearestName(name, known)).toBe(meant));

test.each(["", "x", "relay", "completely_different"])("%j is near to nothing", (name) => {
  expect(nearestName(name, known)).toBeUndefined();
});

test("a swap of neighbours is one mistake", () => {
  expect(editDistance("listen", "litsen")).toBe(1);
  expect(editDistance("kitten", "sitting")).toBe(3);
});

test("distance is nothing for equal names, the same both ways, and at most the longer length", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (one, other) => {
      expect(editDistance(one, one)).toBe(0);
      expect(editDistance(one, other)).toBe(editDistance(other, one));
      expect(editDistance(one, other)).toBeLessThanOrEqual(Math.max(one.length, other.length));
    }),
  );
});
