import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { createLogOutput } from "./log-destination.js";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

test("PF-050 an output that is busy gets every line, whole and in order, once it is read again", async () => {
  const pipe = openPipe();
  const output = createLogOutput(pipe);
  const lines = Array.from({ length: 5000 }, (_, n) => `${n} ${"x".repeat(100)}\n`);
  for (const line of lines) output.write(line);
  await expect.poll(() => readMore(pipe), { timeout: 60_000, interval: 5 }).toBe(lines.join(""));
});

test("PF-050 lines beyond the bound are dropped while the output is busy, later ones are written again", async () => {
  const pipe = openPipe();
  const output = createLogOutput(pipe);
  const megabyte = `${"x".repeat(2 ** 20 - 1)}\n`;
  for (let count = 0; count < 30; count++) {
    output.write(megabyte);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await expect.poll(() => readMore(pipe).length, { timeout: 60_000, interval: 1 }).toBeGreaterThanOrEqual(8 * 2 ** 20);
  output.write("last\n");
  await expect.poll(() => readMore(pipe), { timeout: 60_000, interval: 1 }).toMatch(/^[x\n]*last\n$/);
  expect(readMore(pipe).length).toBeLessThan(12 * 2 ** 20);
});

const read = new Map<number, string>();

/** A pipe that takes 64 KiB and is then busy until someone reads. */
function openPipe(): number {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-log-"));
  const path = join(directory, "pipe");
  execFileSync("sh", ["-c", 'mkfifo "$1"', "sh", path]);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  read.set(pipe, "");
  closers.push(() => closeSync(pipe));
  // Whoever has it open keeps it.
  rmSync(directory, { recursive: true });
  return pipe;
}

/** All that was read from the pipe so far. */
function readMore(pipe: number): string {
  const chunk = Buffer.alloc(65_536);
  try {
    for (;;) {
      const length = readSync(pipe, chunk);
      read.set(pipe, (read.get(pipe) ?? "") + chunk.subarray(0, length).toString());
    }
  } catch {
    // Empty for now.
  }
  return read.get(pipe) ?? "";
}
