import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../.cache/", import.meta.url));

export interface ProgramRun {
  readonly output: () => string;
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

/** Runs a module of TypeScript in a process of its own; it can import the package by its name. */
export function startProgram(name: string, code: string, environment: Record<string, string>): ProgramRun {
  mkdirSync(folder, { recursive: true });
  const file = `${folder}${name}-${process.pid}.mts`;
  writeFileSync(file, code);
  const child = spawn(process.execPath, ["-C", "source", "--import", "tsx", file], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const killChild = (): void => void child.kill("SIGKILL");
  process.once("exit", killChild);
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("close", (code, signal) => {
      process.off("exit", killChild);
      rmSync(file, { force: true });
      resolve(signal ?? code ?? 1);
    });
  });
  return { output: () => output, ended, kill: (signal) => void child.kill(signal) };
}
