import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("PF-081 the first example of the README runs and prints what the README says", () => {
  const readme = readFileSync(new URL("./README.md", import.meta.url), "utf8");
  const [, example] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  const [, printed] = /```text\n(.*?)```/s.exec(readme) ?? [];
  const output = execFileSync(
    process.execPath,
    ["-C", "source", "--import", "tsx", "--input-type=module", "--eval", example ?? ""],
    { cwd: fileURLToPath(new URL(".", import.meta.url)), encoding: "utf8" },
  );
  expect(output).toBe(printed);
});
