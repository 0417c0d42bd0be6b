import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { Role } from "./roles.js";

const run = promisify(execFile);

/** Keeps 60 MiB and makes garbage that is old before it goes; prints the most that the heap ever took, in MiB. */
const program = `
import { getHeapStatistics } from "node:v8";
import { keepHeapSmall } from ${JSON.stringify(new URL("./heap-growth.ts", import.meta.url).href)};
keepHeapSmall(new Set(JSON.parse(process.argv.at(-1))));
const megabyte = () => Array.from({ length: 1024 }, (_, index) => new Array(128).fill(index));
const kept = Array.from({ length: 60 }, megabyte);
const passing = [];
let most = 0;
for (let round = 0; round < 300; round++) {
  passing[round % 16] = megabyte();
  most = Math.max(most, getHeapStatistics().total_heap_size);
}
console.log(kept.length + passing.length > 0 ? most / 2 ** 20 : 0);
`;

async function mostHeapMiB(roles: readonly Role[]): Promise<number> {
  const { stdout } = await run(process.execPath, [
    ...["-C", "source", "--import", import.meta.resolve("tsx"), "--input-type=module"],
    // The engine decides by the memory of the machine, which a container may have little of.
    ...["--max-old-space-size=4096", "-e", program, JSON.stringify(roles)],
  ]);
  return Number(stdout);
}

test("XP-906 XP-435 the tracker alone lets little garbage gather, where a server of several roles lets more", async () => {
  // 200 and 330 MiB, of which 80 are in use.
  const [alone, together] = await Promise.all([mostHeapMiB(["tracker"]), mostHeapMiB(["tracker", "worker"])]);
  expect(alone).toBeLessThan(together * 0.75);
});
