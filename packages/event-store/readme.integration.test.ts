import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

// Inside the package, so that the example finds it by its name.
const folder = fileURLToPath(new URL("./.cache/", import.meta.url));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("PF-081 the first example of the README runs and prints what the README says", () => {
  const readme = readFileSync(new URL("./README.md", import.meta.url), "utf8");
  const [, example] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  const [, printed] = /```text\n(.*?)```/s.exec(readme) ?? [];
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}readme.mts`, example ?? "");
  const output = execFileSync(process.execPath, ["-C", "source", "--import", "tsx", `${folder}readme.mts`], {
    encoding: "utf8",
  });
  expect(output).toBe(printed);
});
