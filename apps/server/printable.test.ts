import { expect, test } from "vitest";
import { table } from "./commands/command.js";
import { paragraph, text, texts } from "./commands/shapes.js";
import { oneLine, printable } from "./printable.js";

test("what senders wrote reaches the terminal as text, not as commands to it", () => {
  expect(printable("Evil: \u001b[31mred\u001b]0;title\u0007 \u009b2J\r\u007f\u202egpj")).toBe(
    "Evil: \\u001b[31mred\\u001b]0;title\\u0007 \\u009b2J\\u000d\\u007f\\u202egpj",
  );
  expect(printable("columns\tand\nlines, ärger 🦊 שלום")).toBe("columns\tand\nlines, ärger 🦊 שלום");
});

test("what nobody sees is shown, what languages and emoji are written with stays", () => {
  expect(printable("a\u200bb\u200ec\u00add\u2028e\ufefff\u{e0041}")).toBe(
    "a\\u200bb\\u200ec\\u00add\\u2028e\\ufefff\\udb40\\udc41",
  );
  expect(printable("می\u200cخواهم 👩\u200d💻")).toBe("می\u200cخواهم 👩\u200d💻");
});

test("a value in a line or a table cannot begin a line or a column of its own", () => {
  const message = "gone\nwss://other.example  connected\thealthy";
  const shown = "gone\\nwss://other.example  connected\\thealthy";
  expect(oneLine(message)).toBe(shown);
  expect(oneLine(shown)).toBe(shown);
  expect(text({ message }, "message")).toBe(shown);
  expect(texts({ messages: [message] }, "messages")).toEqual([shown]);
  expect(paragraph({ message }, "message")).toBe(message);
  expect(table(["PEER", "WHY"], [["wss://one.example", message]]).split("\n")).toHaveLength(2);
});

test("JSON means the same afterwards", () => {
  const value = { title: "\u009b31m\u202e\u007f\u{e0041}" };
  expect(JSON.parse(printable(JSON.stringify(value)))).toEqual(value);
});
