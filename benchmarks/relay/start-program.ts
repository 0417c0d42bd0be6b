import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface RelayProgram {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts one of the relays beside this file on a database file. */
export async function startRelayProgram(name: "relay-program" | "minimal-relay", path: string): Promise<RelayProgram> {
  const fromSource = import.meta.url.endsWith(".ts");
  const program = fileURLToPath(new URL(`./${name}.${fromSource ? "ts" : "js"}`, import.meta.url));
  const child = spawn(process.execPath, [...(fromSource ? ["--import", "tsx"] : []), program, path], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (text: Buffer) => resolve(text.toString().trim()));
    child.once("exit", () => reject(new Error(`${name} did not start`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
