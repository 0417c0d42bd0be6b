import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

// Inside the package, so that the example finds it by its name.
const folder = fileURLToPath(new URL("./.cache/", import.meta.url));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const readme = readFileSync(new URL("./README.md", import.meta.url), "utf8");
const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? "");

test("PF-081 the first example of the README runs and prints what the README says", () => {
  const [, printed] = /```text\n(.*?)```/s.exec(readme) ?? [];
  expect(outputOf("first.mts", examples[0] ?? "")).toBe(printed);
});

test("PF-081 XP-140 the example goes on with a test, and its assertions hold", () => {
  expect(examples).toHaveLength(2);
  const output = outputOf("testing.mts", `${examples.join("\n")}\nconsole.log("all assertions hold");`);
  expect(output).toContain("all assertions hold");
});

function outputOf(name: string, program: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(folder + name, program);
  return execFileSync(process.execPath, ["-C", "source", "--import", "tsx", folder + name], { encoding: "utf8" });
}
