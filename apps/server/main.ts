#!/usr/bin/env node
import { createInterface } from "node:readline/promises";
import { runCommandLine } from "./command-line.js";

/** A server that has stopped but still holds something open ends all the same. */
const lingerMs = 2_000;

// A reader that went away, as `head` does, is no reason to fail.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

const exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  isTerminal: process.stdout.isTTY === true,
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  ...(process.stdin.isTTY === true && process.stdout.isTTY === true ? { confirm: askPerson } : {}),
  ready: () => void process.send?.({ ready: true }),
  exit: (code) => process.exit(code),
  kill: () => void process.kill(process.pid, "SIGKILL"),
});
process.exitCode = exitCode;
if (process.connected) process.disconnect();
setTimeout(() => process.exit(exitCode), lingerMs).unref();

async function askPerson(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}
