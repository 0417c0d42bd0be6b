import { expect, test } from "vitest";
import { printable } from "./printable.js";

test("what senders wrote reaches the terminal as text, not as commands to it", () => {
  expect(printable("Evil: \u001b[31mred\u001b]0;title\u0007 \u009b2J\r\u007f\u202egpj")).toBe(
    "Evil: \\u001b[31mred\\u001b]0;title\\u0007 \\u009b2J\\u000d\\u007f\\u202egpj",
  );
  expect(printable("columns\tand\nlines, ärger 🦊 שלום")).toBe("columns\tand\nlines, ärger 🦊 שלום");
});

test("JSON means the same afterwards", () => {
  const value = { title: "\u009b31m\u202e\u007f" };
  expect(JSON.parse(printable(JSON.stringify(value)))).toEqual(value);
});
