import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "signalbox-key-"));
});
afterEach(() => rm(directory, { recursive: true }));

test("PF-032 processes that start at once on one directory end with one key", async () => {
  const script = `
    import { createTokenKey } from ${JSON.stringify(new URL("./dist/tokens.js", import.meta.url).href)};
    // All begin in the same moment, so that their writes meet.
    await new Promise((resolve) => setTimeout(resolve, Number(process.argv[1]) - Date.now()));
    console.log((await createTokenKey(${JSON.stringify(directory)})).keyId);`;
  const startMs = String(Date.now() + 2_000);
  const runs = Array.from({ length: 4 }, () =>
    promisify(execFile)(process.execPath, [...["--input-type=module", "-e", script, "--", startMs]]),
  );
  const keyIds = (await Promise.all(runs)).map(({ stdout }) => stdout.trim());
  expect(keyIds[0]).toMatch(/^[\w-]{43}$/);
  expect(new Set(keyIds).size).toBe(1);
  expect(await readdir(directory)).toEqual(["token-key.json"]);
});
