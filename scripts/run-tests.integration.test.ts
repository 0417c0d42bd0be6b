import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Program, runNode } from "./program.js";

const root = new URL("..", import.meta.url).pathname;
let folder: string;
let running: Program | undefined;
beforeEach(() => {
  // Inside the checkout, where the fixture finds Vitest.
  mkdirSync(join(root, ".cache"), { recursive: true });
  folder = mkdtempSync(join(root, ".cache", "run-tests-"));
  write("vitest.config.ts", `export default { test: { include: ["*.fixture.ts"] } };`);
});
afterEach(() => {
  running?.process.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

describe("npm test", () => {
  test("PF-005 ends with the numbers and lists what was skipped, with the reason", async () => {
    write(
      "numbers.fixture.ts",
      `import { expect, test } from "vitest";
      test("good", () => {});
      test("also good", () => {});
      test("needs a server", ({ skip }) => skip("redis-server is missing"));`,
    );
    const { exitCode, output } = await run({ missingServers: ["redis-server"] });
    expect(output).toContain("Missing servers: redis-server\n");
    expect(output).toContain("numbers.fixture.ts > needs a server: redis-server is missing\n");
    expect(lastLine(output)).toBe("2 passed, 0 failed, 1 skipped");
    expect(exitCode).toBe(0);
  });

  test("PF-005 with CI=true a missing server is a failure", async () => {
    write("numbers.fixture.ts", `import { test } from "vitest"; test("good", () => {});`);
    const { exitCode, output } = await run({ missingServers: ["redis-server", "nats-server"], requireServers: true });
    expect(lastLine(output)).toBe("1 passed, 2 failed, 0 skipped");
    expect(exitCode).toBe(1);
  });

  test("a test that passes only when it is tried again is named, one that never passes has failed", async () => {
    write(
      "unsteady.fixture.ts",
      `import { expect, test } from "vitest";
      let tries = 0;
      test("unsteady", { retry: 1 }, () => expect(++tries).toBe(2));
      test("bad", { retry: 1 }, () => expect(1).toBe(2));
      test("good", { retry: 1 }, () => {});`,
    );
    const { exitCode, output } = await run({});
    expect(output).toContain("Passed only when tried again:\n  unsteady.fixture.ts > unsteady\n2 passed");
    expect(lastLine(output)).toBe("2 passed, 1 failed, 0 skipped");
    expect(exitCode).toBe(1);
  });

  test("failed tests, files that do not load and set-ups that throw are failures", async () => {
    write(
      "failing.fixture.ts",
      `import { beforeAll, describe, expect, test } from "vitest";
      test("bad", () => expect(1).toBe(2));
      describe("group", () => {
        beforeAll(() => { throw new Error("no"); });
        test("never runs", () => {});
      });`,
    );
    write("broken.fixture.ts", `throw new Error("does not load");`);
    const { exitCode, output } = await run({});
    expect(lastLine(output)).toBe("0 passed, 3 failed, 1 skipped");
    expect(exitCode).toBe(1);
  });

  test("PF-006 an interrupted run stops what its tests have started", async () => {
    write(
      "server.fixture.ts",
      `import { spawn } from "node:child_process";
      import { writeFileSync } from "node:fs";
      import { test } from "vitest";
      test("starts a server", async () => {
        // As a server that takes its time to stop.
        const server = spawn("sh", ["-c", "trap '' INT TERM; sleep 300; :"], { stdio: "ignore" });
        writeFileSync(${JSON.stringify(join(folder, "server.pid"))}, String(server.pid));
        await new Promise(() => {});
      }, 300_000);`,
    );
    const program = start({});
    const pid = (): number => {
      try {
        return Number(readFileSync(join(folder, "server.pid"), "utf8"));
      } catch {
        return 0;
      }
    };
    await expect.poll(pid, { timeout: 30_000 }).toBeGreaterThan(0);
    program.process.kill("SIGINT");
    expect(await program.exitCode).not.toBe(0);
    await expect.poll(() => isRunning(pid()), { timeout: 10_000 }).toBe(false);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function lastLine(output: string): string | undefined {
  return output.trimEnd().split("\n").at(-1);
}

function write(name: string, content: string): void {
  writeFileSync(join(folder, name), content);
}

interface RunOptions {
  readonly missingServers?: readonly string[];
  readonly requireServers?: boolean;
}

async function run(options: RunOptions): Promise<{ exitCode: number | null; output: string }> {
  const program = start(options);
  return { exitCode: await program.exitCode, output: program.output() };
}

function start({ missingServers = [], requireServers = false }: RunOptions): Program {
  write(
    "run.mjs",
    `import { runTests } from ${JSON.stringify(new URL("./run-tests.mjs", import.meta.url).href)};
    process.exitCode = await runTests({
      root: ${JSON.stringify(root)},
      args: ["--root", ${JSON.stringify(folder)}, "--config", ${JSON.stringify(join(folder, "vitest.config.ts"))}],
      missingServers: ${JSON.stringify(missingServers)},
      requireServers: ${requireServers},
      say: (line) => console.log(line),
    });`,
  );
  // The outer run must not show through in the inner one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
  running = runNode([join(folder, "run.mjs")], env);
  return running;
}
