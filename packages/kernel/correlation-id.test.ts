import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalCorrelationId, isCorrelationId } from "./correlation-id.js";
import { isUlid, ulid, ulidFromHex } from "./ulid.js";

const hex32 = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 });
const printable = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 64,
});

function uuidOf(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

test("PF-041 a UUID, its hex digits and its ULID have one canonical form, in any case of letters", () => {
  fc.assert(
    fc.property(hex32, (hex) => {
      const canonical = ulidFromHex(hex);
      const forms = [hex, uuidOf(hex), canonical];
      for (const form of [...forms, ...forms.map((f) => f.toUpperCase()), ...forms.map((f) => f.toLowerCase())]) {
        expect(canonicalCorrelationId(form)).toBe(canonical);
      }
    }),
  );
});

test("PF-041 the canonical form of a canonical form is itself", () => {
  fc.assert(
    fc.property(fc.oneof(printable, hex32, hex32.map(uuidOf)), (id) => {
      const once = canonicalCorrelationId(id);
      expect(canonicalCorrelationId(once)).toBe(once);
      expect(isCorrelationId(once)).toBe(true);
    }),
  );
});

test("PF-041 whatever is none of the three forms stays as it is", () => {
  for (const id of ["req-42", "01ARZ3NDEKTSV4RRFFQ69G5FAU", "f".repeat(31), "Order:7", `{${uuidOf("a".repeat(32))}}`]) {
    expect(canonicalCorrelationId(id)).toBe(id);
  }
  expect(isUlid(canonicalCorrelationId(ulid().toLowerCase()))).toBe(true);
});

test("PF-041 an id of 1 to 64 printable characters is accepted, everything else refused", () => {
  fc.assert(fc.property(printable, isCorrelationId));
  for (const id of ["", "x".repeat(65), "a b", "a\nb", "a\u0000", "ä", "a\u007f", "a\n"]) {
    expect(isCorrelationId(id), JSON.stringify(id)).toBe(false);
  }
});
