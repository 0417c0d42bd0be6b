import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("./", import.meta.url));
const manifest: { readonly exports: Readonly<Record<string, { readonly default: string }>> } = JSON.parse(
  readFileSync(new URL("./package.json", import.meta.url), "utf8"),
);
/** These register matchers, so they are imported by a test runner alone. */
const setUpFiles = ["./testing/vitest", "./testing/jest"];
const entries = Object.keys(manifest.exports).filter((entry) => !setUpFiles.includes(entry));

/** What a process holds before and after an import, without anything else having happened. */
const program = `
  import { readdirSync, readlinkSync } from "node:fs";
  const openFiles = () => readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync("/proc/self/fd/" + fd)];
    } catch {
      return [];
    }
  }).filter((target) => !target.startsWith("/proc/")).sort();
  const held = () => ({ resources: process.getActiveResourcesInfo().sort(), files: process.platform === "linux" ? openFiles() : [] });
  // Node reads modules by itself and may still be closing their files.
  const readAll = async () => {
    while (process.getActiveResourcesInfo().some((kind) => /^(CloseReq|FSReq)/.test(kind)))
      await new Promise((resolve) => setImmediate(resolve));
  };
  // What the process was born with, and loggers look at.
  void [process.stdout, process.stderr];
  await import("data:text/javascript,");
  await readAll();
  const before = held();
  await import(process.argv[1]);
  await readAll();
  console.log(JSON.stringify({ before, after: held() }));
`;

describe("entry points", () => {
  test("the package has its entries", () => {
    expect(entries).toEqual(expect.arrayContaining([".", "./testing", "./lint", "./catalogue", "./zod"]));
  });

  test.each(entries)("importing %s opens no file, socket or timer, and the process ends by itself", (entry) => {
    const specifier = `@signalbox/event-store${entry.slice(1)}`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", program, specifier], {
      cwd: folder,
      encoding: "utf8",
      timeout: 60_000,
    });
    const { before, after } = JSON.parse(output);
    expect(after).toEqual(before);
  });
});
