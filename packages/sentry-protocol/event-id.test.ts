import fc from "fast-check";
import { expect, test } from "vitest";
import { createEventId, normalizeEventId } from "./index.js";

test("ET-040 UUIDs with and without dashes, in any case, become 32 lower-case digits", () => {
  fc.assert(
    fc.property(fc.uuid(), fc.boolean(), fc.boolean(), (uuid, dashes, capitals) => {
      const plain = uuid.replaceAll("-", "");
      const spelled = dashes ? uuid : plain;
      expect(normalizeEventId(capitals ? spelled.toUpperCase() : spelled)).toBe(plain);
    }),
  );
});

test("ET-040 everything else is no id", () => {
  for (const value of [
    undefined,
    null,
    7,
    {},
    [],
    "",
    "abc",
    "g".repeat(32),
    `${"a".repeat(32)}b`,
    "../a",
    "0".repeat(32),
  ])
    expect(normalizeEventId(value)).toBeUndefined();
});

test("ET-040 ids that the server makes are ids, and differ", () => {
  const ids = Array.from({ length: 100 }, createEventId);
  for (const id of ids) expect(normalizeEventId(id)).toBe(id);
  expect(new Set(ids).size).toBe(100);
});
