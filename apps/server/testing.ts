import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The built program: what a user runs. */
export const program = fileURLToPath(new URL("dist/main.js", import.meta.url));

export interface ProgramEnd {
  readonly exitCode: number | NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface RunningProgram {
  readonly process: ChildProcess;
  /** Standard output and standard error so far. */
  readonly out: () => string;
  readonly err: () => string;
  readonly ended: Promise<ProgramEnd>;
}

/** Starts the program as a child process. It is killed when this process ends. */
export function startProgram(args: readonly string[], env: NodeJS.ProcessEnv): RunningProgram {
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.once("close", (exitCode, signal) => {
      process.off("exit", kill);
      resolve({ exitCode: signal ?? exitCode, out, err });
    });
  });
  return { process: child, out: () => out, err: () => err, ended };
}

/** Runs a command of the program to its end. */
export function runProgram(args: readonly string[], env: NodeJS.ProcessEnv): Promise<ProgramEnd> {
  return startProgram(args, env).ended;
}

/** A directory for one test. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "signalbox-server-"));
  // What a killed server had begun to write may appear for another moment.
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }) };
}

/** Sends one error as an SDK does; resolves with the status and the headers of the answer. */
export async function sendError(dsn: string, message: string, eventId = newEventId()): Promise<Response> {
  const { origin, username, pathname } = new URL(dsn);
  const event = JSON.stringify({
    event_id: eventId,
    timestamp: Date.now() / 1000,
    platform: "node",
    exception: { values: [{ type: "Error", value: message }] },
  });
  const envelope = `{"event_id":"${eventId}"}\n{"type":"event","length":${Buffer.byteLength(event)}}\n${event}\n`;
  return fetch(`${origin}/api${pathname}/envelope/`, {
    method: "POST",
    headers: { "x-sentry-auth": `Sentry sentry_version=7, sentry_key=${username}` },
    body: envelope,
  });
}

export function newEventId(): string {
  return randomUUID().replaceAll("-", "");
}

/** GET with a token; the parsed answer. */
export async function getJson(
  url: string,
  token?: string,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const answer = await fetch(url, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  return { status: answer.status, body: await answer.json().catch(() => undefined) };
}

/** Something that runs commands of the program and parses what they print with `--json`. */
interface Installation {
  command(...args: string[]): Promise<unknown>;
}

/** DSN of the oldest project. */
export async function firstDsn(installation: Installation): Promise<string> {
  const projects = await installation.command("project", "list");
  if (!Array.isArray(projects)) throw new Error("there is no list of projects");
  return projects[0].dsn;
}

/** A new token. */
export async function newToken(installation: Installation, scopes = "errors:read"): Promise<string> {
  const made = await installation.command("token", "create", "--scope", scopes);
  if (typeof made !== "object" || made === null || !("token" in made)) throw new Error("no token was made");
  return String(made.token);
}
