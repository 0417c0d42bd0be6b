import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Program, runNode } from "./program.js";

let folder: string;
let running: Program | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signalbox-supervise-"));
});
afterEach(() => {
  running?.process.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

describe("supervise", () => {
  test("PF-015 starts the program again after an abort and says which signal ended it", async () => {
    const program = supervised(`
      process.send({ ready: true });
      if (runs === 1) process.abort();
      if (runs === 2) process.kill(process.pid, "SIGKILL");
      process.exit(0);
    `);
    expect(await program.exitCode).toBe(0);
    expect(program.output()).toContain("was ended by SIGABRT; starting it again in");
    expect(program.output()).toContain("was ended by SIGKILL; starting it again in");
    expect(runs()).toBe(3);
  });

  test("PF-015 an abort before the program is ready is retried, but not for ever", async () => {
    const program = supervised(`process.abort();`);
    expect(await program.exitCode).toBe(1);
    expect(program.output()).toContain("3 times in a row before it was ready: giving up");
    expect(runs()).toBe(3);
  });

  test("a program that was ready and failed is started again", async () => {
    const program = supervised(`
      process.send({ ready: true }, () => process.exit(runs === 1 ? 1 : 0));
    `);
    expect(await program.exitCode).toBe(0);
    expect(program.output()).toContain("ended with exit code 1; starting it again in");
  });

  test("PF-004 what stands below the lines of the start is said once, however often it is started", async () => {
    const program = supervised(`
      process.send({ ready: true }, () => process.exit(runs < 3 ? 1 : 0));
    `);
    expect(await program.exitCode).toBe(0);
    expect(runs()).toBe(3);
    expect(program.output().match(/it is there/g)).toHaveLength(1);
  });

  test("a program that refuses to start is not retried, and its exit code is passed on", async () => {
    const program = supervised(`process.exit(7);`);
    expect(await program.exitCode).toBe(7);
    expect(runs()).toBe(1);
  });

  test.for(["SIGTERM", "SIGINT"] as const)("PF-009 %s is forwarded, and the exit code is passed on", async (signal) => {
    const program = supervised(`
      process.on("${signal}", () => setTimeout(() => process.exit(0), 50));
      setInterval(() => {}, 1000);
      console.log("waiting");
    `);
    await program.says("waiting");
    program.process.kill(signal);
    expect(await program.exitCode).toBe(0);
    expect(runs()).toBe(1);
  });

  test("signals that arrive together, from the terminal and from npm, are one request", async () => {
    const program = supervised(`
      let requests = 0;
      const stop = () => { requests++; setTimeout(() => process.exit(requests === 1 ? 0 : 9), 200); };
      process.on("SIGINT", stop);
      process.on("SIGTERM", stop);
      setInterval(() => {}, 1000);
      console.log("waiting");
    `);
    await program.says("waiting");
    // Two different ones, since the system may merge equal ones.
    program.process.kill("SIGINT");
    program.process.kill("SIGTERM");
    expect(await program.exitCode).toBe(0);
  });

  test("PF-009 a second request ends a program that hangs, with exit code 130", async () => {
    const program = supervised(`
      process.on("SIGTERM", () => { console.log("stopping"); for (;;); });
      setInterval(() => {}, 1000);
      console.log("waiting");
    `);
    await program.says("waiting");
    program.process.kill("SIGTERM");
    await program.says("stopping");
    // Later than the window in which two signals are one request.
    await new Promise((resolve) => setTimeout(resolve, 400));
    program.process.kill("SIGTERM");
    expect(await program.exitCode).toBe(130);
  });
});

/** Number of times the program was started. */
function runs(): number {
  return readFileSync(join(folder, "runs"), "utf8").length;
}

/** Supervises a program whose body is given; it finds the number of its starts in `runs`. */
function supervised(body: string): Program {
  const program = join(folder, "program.mjs");
  writeFileSync(
    program,
    `import { appendFileSync, readFileSync } from "node:fs";
    appendFileSync(${JSON.stringify(join(folder, "runs"))}, "x");
    const runs = readFileSync(${JSON.stringify(join(folder, "runs"))}, "utf8").length;
    ${body}`,
  );
  const supervisor = join(folder, "supervisor.mjs");
  writeFileSync(
    supervisor,
    `import { supervise } from ${JSON.stringify(new URL("./supervise.mjs", import.meta.url).href)};
    process.exitCode = await supervise({
      command: process.execPath, args: [${JSON.stringify(program)}], say: (line) => console.error(line),
      onFirstReady: () => console.error("it is there"),
      firstDelayMs: 20, maxDelayMs: 50, maxFailedStarts: 3,
    });`,
  );
  running = runNode([supervisor]);
  return running;
}
