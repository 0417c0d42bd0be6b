import fc from "fast-check";
import { expect, test } from "vitest";
import { splitLines } from "./split-lines.js";

async function linesOf(text: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const group of splitLines(Buffer.from(text))) lines.push(...group);
  return lines;
}

test("lines come back whole, wherever the slices end", async () => {
  const lines = Array.from({ length: 3_000 }, (_, index) => `{"n":${index},"text":"${"🧭ü".repeat(index % 300)}"}`);
  expect(await linesOf(lines.map((line) => `${line}\n`).join(""))).toEqual(lines);
});

test("one line longer than a slice is one line", async () => {
  const long = "ü".repeat(1_000_000);
  expect(await linesOf(`a\n${long}\nb`)).toEqual(["a", long, "b"]);
});

test("empty lines are nothing", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.stringMatching(/^[a-z]*$/)), async (lines) => {
      expect(await linesOf(lines.join("\n"))).toEqual(lines.filter((line) => line !== ""));
    }),
  );
});
