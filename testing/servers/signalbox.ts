import { type ChildProcess, execFile, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findFreePort } from "./free-port.js";

/** The built program: what a user runs. */
const program = fileURLToPath(
  new URL(
    import.meta.url.includes("/dist/") ? "../../../apps/server/dist/main.js" : "../../apps/server/dist/main.js",
    import.meta.url,
  ),
);

const runFile = promisify(execFile);

/** Longer than its own deadline. */
const stopWithinMs = 60_000;

export interface SignalboxOptions {
  readonly dataDirectory: string;
  /** Further `SIGNALBOX_*` variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** How long the server may take until it is ready. */
  readonly readyWithinMs?: number;
}

export interface SignalboxServer {
  readonly url: string;
  readonly metricsUrl: string;
  readonly pid: number;
  /** Everything the process wrote so far. */
  readonly output: () => string;
  /** Resolves with the exit code or the signal that ended the process. */
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, then waits for the end, which is `SIGKILL` when it does not come within a minute. */
  stop(): Promise<number | NodeJS.Signals>;
}

export interface SignalboxInstallation {
  readonly env: NodeJS.ProcessEnv;
  /** Starts the server on this installation's ports and waits until it is ready. */
  start(): Promise<SignalboxServer>;
  /** Runs a command of the program and parses what it prints with `--json`. */
  command(...args: string[]): Promise<unknown>;
}

/** A data directory with its ports: it can be started, killed and started again at the same addresses. */
export async function installSignalbox(options: SignalboxOptions): Promise<SignalboxInstallation> {
  const [port, metricsPort, relayPort] = await freePorts(3);
  // What is set for this process, as the size of a benchmark, is not meant for the server.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SIGNALBOX_"));
  const env: NodeJS.ProcessEnv = {
    ...Object.fromEntries(inherited),
    SIGNALBOX_DATA_DIR: options.dataDirectory,
    SIGNALBOX_LISTEN: `127.0.0.1:${port}`,
    SIGNALBOX_METRICS_LISTEN: `127.0.0.1:${metricsPort}`,
    SIGNALBOX_RELAY_LISTEN: `127.0.0.1:${relayPort}`,
    // Tests count what they send themselves; those of the canary turn it on.
    SIGNALBOX_EXPERIENCE_CANARY_INTERVAL_S: "0",
    ...options.env,
  };
  return {
    env,
    start: () => startServer(env, `http://127.0.0.1:${port}`, `http://127.0.0.1:${metricsPort}`, options),
    async command(...args) {
      const { stdout } = await runFile(process.execPath, [program, ...args, "--json"], { env });
      return JSON.parse(stdout);
    },
  };
}

async function startServer(
  env: NodeJS.ProcessEnv,
  url: string,
  metricsUrl: string,
  options: SignalboxOptions,
): Promise<SignalboxServer> {
  const child = spawn(process.execPath, [program, "serve", ...(options.flags ?? [])], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  const killChild = (): void => void child.kill("SIGKILL");
  process.once("exit", killChild);
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("exit", (code, signal) => {
      process.off("exit", killChild);
      resolve(signal ?? code ?? 1);
    });
  });

  // Every role has this listener, and it is ready when all others are.
  await ready(child, metricsUrl, () => output, options.readyWithinMs ?? 120_000);
  return {
    url,
    metricsUrl,
    pid: child.pid ?? 0,
    output: () => output,
    ended,
    kill: (signal) => void child.kill(signal),
    async stop() {
      child.kill("SIGTERM");
      // A test that failed may have left it stopped.
      child.kill("SIGCONT");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopWithinMs);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

async function ready(child: ChildProcess, url: string, output: () => string, withinMs: number): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the server ended while starting:\n${output()}`);
    const answer = await fetch(`${url}/-/readiness`).catch(() => undefined);
    if (answer?.status === 200) return;
    if (performance.now() > deadlineMs) {
      child.kill("SIGKILL");
      throw new Error(`the server was not ready within ${withinMs} ms:\n${output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Ports that are free now, all different. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await findFreePort());
  return [...ports];
}
