import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { chown, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@signalbox/kernel";
import { findServer } from "./find-server.js";
import { findFreePort } from "./free-port.js";
import { createGuard } from "./guard.js";

/** A real server of this test run, on a free port, with its data in a temporary folder. */
export interface TestServer {
  readonly url: string;
  readonly host: string;
  /** Stays the same over `restart`. */
  readonly port: number;
  /** Process id; `undefined` while it is down. */
  readonly pid: number | undefined;
  /** Holds the data and `server.log`. */
  readonly directory: string;
  /** Ends it and removes its data. A second call joins the first. Happens by itself when this process ends. */
  stop(): Promise<void>;
  /** Sends a signal and waits for the end, except with SIGSTOP and SIGCONT. The data stay. Default: SIGKILL. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on its data, after an orderly stop when it still runs. Resolves when it answers. */
  restart(): Promise<void>;
}

export interface StartOptions {
  /** Further arguments for the server. */
  readonly args?: readonly string[];
}

/** How one kind of server is run. */
export interface ServerRecipe {
  /** Name of its program. */
  readonly program: string;
  url(port: number): string;
  args(directory: string, port: number): readonly string[];
  /** Makes the data folder ready, once. */
  prepare?(run: (program: string, args: readonly string[]) => Promise<void>, directory: string): Promise<void>;
  /** Whether it takes requests. */
  isReady(port: number): Promise<boolean>;
  readonly stopSignal: NodeJS.Signals;
  /** Ends it at once together with its children. */
  readonly guardSignal: "KILL" | "QUIT";
  /** Further environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Who it runs as; needed where the program refuses to run as root. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

const startTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;
const pollMs = 20;

/** @throws {Error} with the end of its log when it does not start. */
export async function startServer(recipe: ServerRecipe, options: StartOptions = {}): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), `signalbox-${recipe.program}-`));
  const guard = createGuard(directory, recipe.guardSignal);
  const logFile = join(directory, "server.log");
  let child: ChildProcess | undefined;
  let port = 0;
  let stopping: Promise<void> | undefined;

  const launch = (program: string, args: readonly string[]): ChildProcess => {
    const file = findServer(program);
    if (!file) throw new Error(`${program} is not installed`);
    const log = openSync(logFile, "a");
    try {
      const launched = spawn(file, args, {
        cwd: directory,
        stdio: ["ignore", log, log],
        // A signal for the process group of the test run must not reach it: tests decide when it ends.
        detached: true,
        env: { ...process.env, ...recipe.env },
        ...recipe.user,
      });
      guard.watch(launched.pid);
      return launched;
    } finally {
      closeSync(log);
    }
  };

  const run = async (program: string, args: readonly string[]): Promise<void> => {
    const exitCode = await exitOf(launch(program, args));
    guard.watch(undefined);
    if (exitCode !== 0) throw new Error(`${program} failed\n${await lastLines(logFile)}`);
  };

  /** One attempt; false when it ended before it answered. */
  const tryStart = async (): Promise<boolean> => {
    const started = launch(recipe.program, [...recipe.args(directory, port), ...(options.args ?? [])]);
    const deadlineMs = systemClock.monotonicMs() + startTimeoutMs;
    while (isRunning(started)) {
      if (await recipe.isReady(port)) {
        child = started;
        child.unref();
        return true;
      }
      if (systemClock.monotonicMs() > deadlineMs) {
        started.kill("SIGKILL");
        throw new Error(`${recipe.program} did not answer in time\n${await lastLines(logFile)}`);
      }
      await systemClock.sleep(pollMs);
    }
    guard.watch(undefined);
    return false;
  };

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    if (!ending || !isRunning(ending)) return;
    ending.ref();
    const ended = exitOf(ending);
    ending.kill(signal);
    const timer = systemClock.setTimer(stopTimeoutMs, () => ending.kill("SIGKILL"));
    await ended;
    timer.cancel();
    guard.watch(undefined);
    child = undefined;
  };

  const remove = async (): Promise<void> => {
    await end(recipe.stopSignal);
    // Children of a killed server may write for another moment.
    await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    guard.release();
  };

  try {
    if (recipe.user) await chown(directory, recipe.user.uid, recipe.user.gid);
    await recipe.prepare?.(run, directory);
    await attempt(5, async () => {
      // Another process may have taken the port meanwhile, so each attempt looks for a new one.
      port = await findFreePort();
      return tryStart();
    });
  } catch (error) {
    await remove();
    throw error;
  }

  async function attempt(times: number, work: () => Promise<boolean>): Promise<void> {
    for (let left = times; left > 0; left--) {
      if (await work()) return;
      await systemClock.sleep(100);
    }
    throw new Error(`${recipe.program} does not start\n${await lastLines(logFile)}`);
  }

  return {
    url: recipe.url(port),
    host: "127.0.0.1",
    port,
    directory,
    get pid() {
      return child && isRunning(child) ? child.pid : undefined;
    },
    stop() {
      stopping ??= remove();
      return stopping;
    },
    async kill(signal = "SIGKILL") {
      if (signal === "SIGSTOP" || signal === "SIGCONT") child?.kill(signal);
      else await end(signal);
    },
    async restart() {
      if (stopping) throw new Error(`${recipe.program} was stopped and its data removed`);
      await end(recipe.stopSignal);
      // After a crash its last children may hold locks for a while.
      await attempt(100, tryStart);
    },
  };
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve(child.exitCode);
      return;
    }
    child.once("error", reject);
    child.once("exit", resolve);
  });
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.trimEnd().split("\n").slice(-20).join("\n");
}
