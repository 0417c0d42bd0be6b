import fc from "fast-check";
import { expect, test } from "vitest";
import { paramText, stringLiteral } from "./param-text.js";

test("a literal holds nothing that could end it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const literal = stringLiteral(text);
      expect(literal).toMatch(/^'(?:[A-Za-z0-9_ .,:/@=+()[\]-]|\\x[0-9a-f]{2})*'$/);
      const bytes = literal
        .slice(1, -1)
        .replace(/\\x([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
      expect(Buffer.from(bytes, "latin1").toString("utf8")).toBe(Buffer.from(text).toString("utf8"));
    }),
  );
});

test.each<[string, unknown, string]>([
  ["text", "plain", "plain"],
  ["text with signs of its own", "a\tb\\c'd\n\0", "a\\tb\\\\c\\'d\\n\\0"],
  ["null", null, "\\N"],
  ["a boolean", true, "1"],
  ["a fraction", 1.5, "1.5"],
  ["not a number", Number.NaN, "nan"],
  ["infinity", Number.NEGATIVE_INFINITY, "-inf"],
  ["a large integer", 18446744073709551615n, "18446744073709551615"],
  ["an array", [1, "it's", null, false, [2n]], "[1,'it\\'s',NULL,FALSE,[2]]"],
  ["an object", { key: "it's" }, "{'key':'it\\'s'}"],
  ["a map", new Map([[1, 2]]), "{1:2}"],
])("%s is written as the engine reads it", (_, value, text) => {
  expect(paramText(value)).toBe(text);
});

test("what has no text is a mistake of the program", () => {
  expect(() => paramText(() => 1)).toThrow(TypeError);
});
