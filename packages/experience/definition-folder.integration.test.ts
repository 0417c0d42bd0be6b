import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

test("XP-010 more files than a process may open are read all the same", () => {
  const directory = mkdtempSync(join(tmpdir(), "definitions-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const valid = { description: "Checkout", feature_category: "billing", urgency: "sync_fast" };
  for (let index = 0; index < 300; index++) writeFileSync(join(directory, `e${index}.yml`), JSON.stringify(valid));
  const program = `
    const { readDefinitionFolder } = await import(process.argv.at(-2));
    const { files } = await readDefinitionFolder(process.argv.at(-1));
    console.log(files.filter(({ reading }) => reading.kind === "valid").length);`;
  const node = [process.execPath, "-C", "source", "--import", import.meta.resolve("tsx"), "--input-type=module"];
  const module = new URL("./definition-folder.ts", import.meta.url).href;
  const limited = ["-c", 'ulimit -n 200; exec "$@"', "sh", ...node, "-e", program, module, directory];
  expect(execFileSync("sh", limited, { encoding: "utf8" }).trim()).toBe("300");
});
