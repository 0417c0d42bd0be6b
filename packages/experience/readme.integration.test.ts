import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("PF-081 the first example of the README runs and prints what the README says", () => {
  const readme = readFileSync(new URL("./README.md", import.meta.url), "utf8");
  const [, example] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  const [, printed] = /```text\n(.*?)```/s.exec(readme) ?? [];
  // Inside the package, so that the example imports it by name as an application does.
  const dist = fileURLToPath(new URL("./dist", import.meta.url));
  mkdirSync(dist, { recursive: true });
  const folder = mkdtempSync(join(dist, "readme-"));
  try {
    const file = join(folder, "example.ts");
    writeFileSync(file, example ?? "");
    const output = execFileSync(process.execPath, ["-C", "source", "--import", "tsx", file], { encoding: "utf8" });
    expect(output).toBe(printed);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
