import { type ChildProcess, spawn } from "node:child_process";
import { expect } from "vitest";

export interface Program {
  readonly process: ChildProcess;
  /** Standard output and standard error so far. */
  output(): string;
  readonly exitCode: Promise<number | null>;
  /** Waits until the program has printed the text. */
  says(text: string): Promise<void>;
}

/** Runs Node with the arguments, for tests. The program is killed when this process ends. */
export function runNode(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Program {
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const exitCode = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      process.off("exit", kill);
      resolve(code);
    });
  });
  return {
    process: child,
    output: () => output,
    exitCode,
    says: (text) => expect.poll(() => output, { timeout: 60_000 }).toContain(text),
  };
}
