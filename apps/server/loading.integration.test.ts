import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { program, temporaryDirectory } from "./testing.js";

/** Prints the name of every file that is loaded as a module, or by one. */
const hook = `
  import { register } from "node:module";
  import Module from "node:module";
  import { writeSync } from "node:fs";
  register("data:text/javascript," + encodeURIComponent(\`
    import { writeSync } from "node:fs";
    export async function load(url, context, next) { writeSync(2, url + "\\\\n"); return next(url, context); }
  \`));
  process.on("exit", () => writeSync(2, Object.keys(Module._cache).join("\\n") + "\\n"));
`;

async function filesOf(main: string, args: readonly string[]): Promise<string> {
  const child = spawn(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(hook)}`, main, ...args],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let files = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    files += text;
  });
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  expect(exitCode, files).toBe(0);
  return files;
}

const brokers = /node_modules\/(@nats-io|bullmq|ioredis|pg|pg-protocol)\//;

test("the help and the configuration are shown without any engine, framework or system", async () => {
  for (const args of [["--help"], ["config", "print"]]) {
    const files = await filesOf(program, args);
    expect(files).toMatch(/node_modules\/commander\//);
    expect(files).not.toMatch(brokers);
    expect(files).not.toMatch(/node_modules\/(fastify|kysely|libsql|chdb|jose|@clickhouse)\//);
  }
});

test("a command on the database loads the database, and no system", async () => {
  const directory = temporaryDirectory();
  try {
    const files = await filesOf(program, ["token", "list", "--data-dir", directory.path]);
    expect(files).toMatch(/node_modules\/libsql\//);
    expect(files).not.toMatch(brokers);
    expect(files).not.toMatch(/node_modules\/(fastify|chdb|@clickhouse)\/|services\/[^/]+\/dist\/service\.js/);
  } finally {
    directory.remove();
  }
});

test("a server on embedded stores loads no client of a broker or a database server", async () => {
  const compose = new URL("dist/compose.js", import.meta.url).href;
  const files = await filesOf("--input-type=module", ["--eval", `await import(${JSON.stringify(compose)});`]);
  expect(files).toMatch(/node_modules\/fastify\//);
  expect(files).not.toMatch(brokers);
  expect(files).not.toMatch(/node_modules\/oxc-parser\//);
});
