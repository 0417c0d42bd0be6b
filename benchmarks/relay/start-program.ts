import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A program beside this file that writes a line when it is ready and ends with its standard input. */
export interface RunningProgram {
  readonly firstLine: string;
  readonly pid: number;
  /** Writes a line and resolves with the answer to it. */
  ask(line: string): Promise<string>;
  stop(): Promise<void>;
}

export interface RelayProgram extends RunningProgram {
  readonly url: string;
}

export async function startProgram(
  name: string,
  args: readonly string[],
  nodeArgs: readonly string[] = [],
): Promise<RunningProgram> {
  const fromSource = import.meta.url.endsWith(".ts");
  const program = fileURLToPath(new URL(`./${name}.${fromSource ? "ts" : "js"}`, import.meta.url));
  const child = spawn(process.execPath, [...nodeArgs, ...(fromSource ? ["--import", "tsx"] : []), program, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const nextLine = (): Promise<string> =>
    new Promise((resolve, reject) => {
      let text = "";
      const settle = (): void => {
        child.stdout.off("data", onData);
        child.off("exit", onExit);
      };
      const onData = (part: Buffer): void => {
        text += part.toString();
        if (!text.endsWith("\n")) return;
        settle();
        resolve(text.trim());
      };
      const onExit = (): void => {
        settle();
        reject(new Error(`${name} ended`));
      };
      child.stdout.on("data", onData);
      child.once("exit", onExit);
    });
  const firstLine = await nextLine();
  return {
    firstLine,
    pid: child.pid ?? 0,
    ask(line) {
      const answer = nextLine();
      child.stdin.write(`${line}\n`);
      return answer;
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

/** Starts one of the relays on a database file. @param settings of the relay, as in `signalbox.yaml` with dots */
export async function startRelayProgram(
  name: "relay-program" | "minimal-relay",
  path: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<RelayProgram> {
  const args = [path, ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)];
  const program = await startProgram(name, args, ["--expose-gc"]);
  return { ...program, url: program.firstLine };
}
