import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { commandOf } from "./command-of.js";

export interface Program {
  readonly process: ChildProcess;
  /** Resolves when it has ended by itself, rejects when it failed. */
  readonly ended: Promise<void>;
}

/** Runs a file of `load/` in a process of its own; each line that it prints is one message in JSON. */
export function runProgram(file: string, args: readonly string[], onMessage: (message: unknown) => void): Program {
  const child = spawn(process.execPath, [...commandOf(file, import.meta.url), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout) createInterface(child.stdout).on("line", (line) => onMessage(JSON.parse(line)));
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0 || signal === "SIGKILL") resolve();
      else reject(new Error(`${file} ended with ${code ?? signal}`));
    });
  });
  return { process: child, ended };
}

/** Runs it to its end and returns the last thing it said. */
export async function resultOf(file: string, args: readonly string[]): Promise<Readonly<Record<string, number>>> {
  let result: unknown;
  await runProgram(file, args, (message) => {
    result = message;
  }).ended;
  if (typeof result !== "object" || result === null) throw new Error(`${file} said nothing`);
  return Object.fromEntries(Object.entries(result).map(([name, value]) => [name, Number(value)]));
}

export function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
