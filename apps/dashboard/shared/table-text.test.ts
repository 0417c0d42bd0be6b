import { expect, test } from "vitest";
import { asCsv, asMarkdownTable } from "./table-text.js";

test("CSV quotes what needs it and leaves nothing that a spreadsheet takes for a formula", () => {
  const text = asCsv({
    headers: ["Issue", "Events"],
    rows: [
      ['say "hi", twice', 2],
      ["=HYPERLINK(1)", null],
      ["two\nlines", 0],
    ],
  });
  expect(text).toBe('Issue,Events\r\n"say ""hi"", twice",2\r\n\'=HYPERLINK(1),\r\n"two\nlines",0');
});

test("Markdown keeps what events bring from being markup or another column", () => {
  const text = asMarkdownTable({ headers: ["Issue"], rows: [["<b>a|b</b> *x*\n[y](z)"]] });
  expect(text).toBe("| Issue |\n| --- |\n| \\<b\\>a\\|b\\</b\\> \\*x\\* \\[y\\](z) |");
});
