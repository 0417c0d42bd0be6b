import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePort } from "@signalbox/testing/servers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Program, runNode } from "./program.js";

let folder: string;
let running: Program | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signalbox-start-"));
});
afterEach(async () => {
  running?.process.kill("SIGKILL");
  await running?.exitCode;
  rmSync(folder, { recursive: true, force: true });
});

test("PF-001 npm start in a checkout that is installed and built goes straight to the server, which stops with it", async () => {
  const program = await npmStart();
  await program.says("is ready after");
  expect(program.output()).not.toContain("Installing");
  expect(program.output()).toMatch(/^Building …\nBuild is up to date/);
  program.process.kill("SIGTERM");
  expect(await program.exitCode).toBe(0);
});

test("PF-003 after npm start the program can be called by its name, as the banner says, also in a new clone", async () => {
  const built = new URL("../apps/server/dist/main.js", import.meta.url);
  chmodSync(built, 0o644);
  const program = await npmStart();
  await program.says("npx signalbox token create");
  expect(statSync(built).mode & 0o111).toBe(0o111);
  program.process.kill("SIGTERM");
  expect(await program.exitCode).toBe(0);
});

test("PF-015 npm start starts a server again that was aborted, and both say what happened", async () => {
  const program = await npmStart();
  await program.says("is ready after");
  process.kill(JSON.parse(readFileSync(join(folder, "data", "server.lock"), "utf8")).pid, "SIGABRT");
  await program.says("The server was ended by SIGABRT; starting it again");
  await program.says("the server before this one ended without stopping");
  program.process.kill("SIGINT");
  expect(await program.exitCode).toBe(0);
});

test("PF-020 npm start does not retry a bad configuration", async () => {
  const program = await npmStart("--log-level", "loud");
  expect(await program.exitCode).toBe(1);
  expect(program.output()).toContain('log.level is "loud"');
  expect(program.output()).not.toContain("starting it again");
});

test("PF-001 PF-002 packages are installed with npm alone when there are none, and progress is shown", async () => {
  // A workspace without packages from elsewhere, so that nothing is fetched.
  mkdirSync(join(folder, "part"));
  const part = { name: "part", version: "1.0.0" };
  writeFileSync(join(folder, "part", "package.json"), JSON.stringify(part));
  const rootPackage = { name: "root", version: "1.0.0", workspaces: ["part"] };
  writeFileSync(join(folder, "package.json"), JSON.stringify(rootPackage));
  writeFileSync(
    join(folder, "package-lock.json"),
    JSON.stringify({
      ...rootPackage,
      lockfileVersion: 3,
      requires: true,
      packages: { "": rootPackage, "node_modules/part": { resolved: "part", link: true }, part },
    }),
  );
  const install = `import { ensurePackages } from ${JSON.stringify(new URL("./install-packages.mjs", import.meta.url).href)};
    await ensurePackages(${JSON.stringify(folder)});`;
  const first = runNode(["--input-type=module", "--eval", install]);
  expect(await first.exitCode).toBe(0);
  expect(first.output()).toMatch(/^Installing npm packages \(first start\) …\nnpm packages installed \(\d+\.\d s\)\n$/);
  expect(JSON.parse(readFileSync(join(folder, "node_modules", "part", "package.json"), "utf8"))).toEqual(part);

  const second = runNode(["--input-type=module", "--eval", install]);
  expect(await second.exitCode).toBe(0);
  expect(second.output()).toBe("");
});

async function npmStart(...flags: string[]): Promise<Program> {
  const [port, metricsPort] = [await findFreePort(), await findFreePort()];
  running = runNode(
    [
      ...["scripts/start.mjs", "--data-dir", join(folder, "data")],
      ...["--listen", `127.0.0.1:${port}`, "--metrics-listen", `127.0.0.1:${metricsPort}`, ...flags],
    ],
    { ...process.env, SIGNALBOX_RELAY_LISTEN: "127.0.0.1:0" },
  );
  return running;
}
