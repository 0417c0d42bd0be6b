import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

const loggerModule = fileURLToPath(new URL("./logger.ts", import.meta.url));

test("PF-050 all lines are out when the process ends by itself, by exit or by an uncaught error", async () => {
  for (const ending of ["", "process.exit(3);", "throw new Error('crash');"]) {
    const child = run(`for (let n = 0; n < 40_000; n++) logger.info("line", { n }); ${ending}`);
    const [output] = await Promise.all([readAll(child), exitOf(child)]);
    const lines = output.trimEnd().split("\n");
    expect(lines, ending).toHaveLength(40_000);
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ n: 39_999 });
  }
});

test("PF-050 an output that is closed on the other side ends the log but not the process", async () => {
  const child = run(`
    let ticks = 0;
    setInterval(() => {
      for (let n = 0; n < 100; n++) logger.info("line", { padding: "x".repeat(1000) });
      if (++ticks === 20) { process.stderr.write("alive"); process.exit(0); }
    }, 5);
  `);
  child.stdout?.once("data", () => child.stdout?.destroy());
  const [errors, code] = await Promise.all([readAll(child, "stderr"), exitOf(child)]);
  expect({ errors, code }).toEqual({ errors: "alive", code: 0 });
});

test.skipIf(process.platform !== "linux")(
  "PF-050 an output that is full ends the log but not the process",
  async () => {
    const child = run(
      'setInterval(() => logger.info("line"), 1); setTimeout(() => { process.stderr.write("alive"); process.exit(0); }, 100);',
      'exec node "$@" > /dev/full',
    );
    const [errors, code] = await Promise.all([readAll(child, "stderr"), exitOf(child)]);
    expect({ errors, code }).toEqual({ errors: "alive", code: 0 });
  },
);

test("PF-050 pretty lines are made without a thread and are all out at exit", async () => {
  const child = run(
    `for (let n = 0; n < 500; n++) logger.info("line", { n });
     process.stderr.write(String(process.getActiveResourcesInfo().includes("MessagePort")));
     process.exit(0);`,
    undefined,
    "pretty",
  );
  const [output, errors] = await Promise.all([readAll(child), readAll(child, "stderr"), exitOf(child)]);
  expect(output.match(/INFO: \[server\] line/g)).toHaveLength(500);
  expect(errors).toBe("false");
});

/** A process of its own that has `logger` and does `work`; `shell` may redirect its output. */
function run(work: string, shell?: string, format: "json" | "pretty" = "json"): ChildProcess {
  const program = `import { createLogger } from ${JSON.stringify(loggerModule)};
    const logger = createLogger({ level: "info", format: "${format}" });
    ${work}`;
  const args = ["--import", "tsx", "--input-type=module", "--eval", program];
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const child = shell
    ? spawn("sh", ["-c", shell, "sh", ...args], { stdio: [...stdio] })
    : spawn(process.execPath, args, { stdio: [...stdio] });
  children.push(child);
  return child;
}

async function readAll(child: ChildProcess, from: "stdout" | "stderr" = "stdout"): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of child[from] ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("close", resolve));
}
