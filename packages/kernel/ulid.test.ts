import fc from "fast-check";
import { expect, test } from "vitest";
import { createUlidFactory, isUlid, ulid, ulidFromHex, ulidTimeMs } from "./ulid.js";

test("a million ULIDs are 26 characters of base 32, unique, and each greater than the one before", () => {
  let previous = "";
  let malformed = 0;
  let outOfOrder = 0;
  for (let count = 0; count < 1_000_000; count++) {
    const next = ulid();
    if (!isUlid(next)) malformed++;
    if (next <= previous) outOfOrder++;
    previous = next;
  }
  // Strictly rising means unique.
  expect({ malformed, outOfOrder }).toEqual({ malformed: 0, outOfOrder: 0 });
});

test("ULIDs keep rising when the clock stands still or goes back", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 10 }), { minLength: 2, maxLength: 50 }), (times) => {
      let nowMs = 0;
      const make = createUlidFactory(() => nowMs);
      const made = times.map((timeMs) => {
        nowMs = timeMs;
        return make();
      });
      expect(made).toEqual([...new Set(made)].sort());
    }),
  );
});

test("a ULID carries its time in the first ten characters", () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 48 - 1 }), (timeMs) => {
      expect(ulidTimeMs(createUlidFactory(() => timeMs)())).toBe(timeMs);
    }),
  );
});

test("ULIDs of one factory and of another differ although their clocks agree", () => {
  const makers = [createUlidFactory(() => 5), createUlidFactory(() => 5)];
  const made = Array.from({ length: 1000 }, () => makers.map((make) => make())).flat();
  expect(new Set(made).size).toBe(2000);
});

test("hex digits become the ULID of the same 128 bits, in the same order", () => {
  const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(hex, hex, (one, other) => {
      expect(isUlid(ulidFromHex(one))).toBe(true);
      expect(Math.sign(ulidFromHex(one).localeCompare(ulidFromHex(other), "en"))).toBe(
        Math.sign(one.localeCompare(other, "en")),
      );
    }),
  );
  expect(ulidFromHex("0".repeat(32))).toBe("0".repeat(26));
  expect(ulidFromHex("f".repeat(32))).toBe(`7${"Z".repeat(25)}`);
});

test.each([
  "",
  "01ARZ3NDEKTSV4RRFFQ69G5FA",
  "81ARZ3NDEKTSV4RRFFQ69G5FAV",
  "01ARZ3NDEKTSV4RRFFQ69G5FAU",
  "01arz3ndektsv4rrffq69g5fav",
])("%j is no ULID", (text) => expect(isUlid(text)).toBe(false));
