import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkValues, readStatement } from "./statement.js";

describe("readStatement", () => {
  test.each([
    ["select ?", "select $1", 1],
    ["select ?, ? + ?", "select $1, $2 + $3", 3],
    ["select '?', ?", "select '?', $1", 1],
    ["select 'it''s ?', ?", "select 'it''s ?', $1", 1],
    ['select "a?""b?", ?', 'select "a?""b?", $1', 1],
    ["select ? -- why?\n, ?", "select $1 -- why?\n, $2", 2],
    ["select ? /* why? */ , ?", "select $1 /* why? */ , $2", 2],
    ["select 1 -- ends here?", "select 1 -- ends here?", 0],
    ["select '?", "select '?", 0],
    ["select ?;", "select $1;", 1],
    ["select ?; -- done", "select $1; -- done", 1],
  ])("%s", (sql, numbered, parameters) => {
    expect(readStatement(sql)).toMatchObject({ sql, numbered, parameters });
  });

  test("a second statement is refused, a semicolon inside a literal is none", () => {
    expect(() => readStatement("select 1; select 2")).toThrow(/one statement/);
    expect(readStatement("select ';', ?").parameters).toBe(1);
  });

  test("every literal keeps its text and every placeholder gets the next number", () => {
    const literal = fc.string({ maxLength: 10 }).map((text) => `'${text.replaceAll("'", "''")}'`);
    const part = fc.oneof(literal, fc.constant("?"), fc.constant('"name?"'), fc.constant("/* c? */"));
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        let count = 0;
        const expected = parts.map((text) => (text === "?" ? `$${++count}` : text)).join(" , ");
        const read = readStatement(`select ${parts.join(" , ")}`);
        expect(read.numbered).toBe(`select ${expected}`);
        expect(read.parameters).toBe(count);
      }),
    );
  });

  test("text without end is read to its end", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(readStatement(text).sql).toBe(text);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/DATABASE_(QUERY_FAILED|UNSUPPORTED)/) });
        }
      }),
    );
  });
});

test("values that need no change are not copied", () => {
  const values = ["text", 1, 1.5, null, new Uint8Array(1)];
  expect(checkValues(values)).toBe(values);
  expect(checkValues([true, 5n])).toEqual([1, 5]);
});
