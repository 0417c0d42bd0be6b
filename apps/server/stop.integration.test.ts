import { type ChildProcess, fork } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  firstDsn,
  getJson,
  newEventId,
  newToken,
  program,
  sendError,
  startProgram,
  temporaryDirectory,
} from "./testing.js";

let directory: ReturnType<typeof temporaryDirectory>;
let installation: SignalboxInstallation;

let server: SignalboxServer | undefined;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = temporaryDirectory();
  await install();
});
afterEach(async () => {
  server?.kill("SIGKILL");
  await server?.ended;
  server = undefined;
  for (const child of children.splice(0)) child.kill("SIGKILL");
  directory.remove();
});

async function install(env: Readonly<Record<string, string>> = {}): Promise<void> {
  const dataDirectory = join(directory.path, "data");
  installation = await installSignalbox({ dataDirectory, flags: ["--quiet"], env });
}

/** The server, which the end of the test kills. */
async function start(): Promise<SignalboxServer> {
  server = await installation.start();
  return server;
}

describe("stop", () => {
  test.for(["SIGTERM", "SIGINT"] as const)("PF-009 %s stops the server in order, with exit code 0", async (signal) => {
    const server = await start();
    server.kill(signal);
    expect(await server.ended).toBe(0);
    expect(existsSync(join(directory.path, "data", "server.lock"))).toBe(false);
    expect(server.output()).not.toContain('"level":"error"');
  });

  test("PF-009 a stop under load loses nothing that was acknowledged and stores nothing twice", async () => {
    const stopped = await start();
    const dsn = await firstDsn(installation);
    const acknowledged: string[] = [];
    const refused: number[] = [];
    let running = true;
    const sender = async (): Promise<void> => {
      while (running) {
        const eventId = newEventId();
        const answer = await sendError(dsn, `load ${acknowledged.length % 5}`, eventId).catch(() => undefined);
        if (answer?.status === 200) acknowledged.push(eventId);
        else if (answer) refused.push(answer.status);
        else running = false;
      }
    };
    const senders = [1, 2, 3, 4].map(sender);
    await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(100);
    stopped.kill("SIGTERM");
    expect(await stopped.ended).toBe(0);
    running = false;
    await Promise.all(senders);
    expect(refused.filter((status) => status !== 503)).toEqual([]);

    const { url } = await start();
    const token = await newToken(installation);
    await expect.poll(() => storedEvents(url, token), { timeout: 60_000 }).toBe(acknowledged.length);
  });

  test("PF-009 finishes what is under way and answers 503 with Retry-After on connections that are open", async () => {
    const server = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect((await get(`${server.url}/-/liveness`, agent)).statusCode).toBe(200);
    const slow = await beginEnvelope();

    server.kill("SIGTERM");
    await expect.poll(server.output).toContain('"msg":"stopping"');
    const refusal = await get(`${server.url}/openapi.json`, agent);
    expect(refusal.statusCode).toBe(503);
    expect(refusal.headers["retry-after"]).toMatch(/^\d+$/);
    const ready = await get(`${server.url}/-/readiness`, new Agent());
    expect(ready.statusCode).toBe(503);

    slow.finish();
    expect((await slow.answer).statusCode).toBe(200);
    expect(await server.ended).toBe(0);
  });

  test("PF-009 a second signal ends the process at once with exit code 130, and what was acknowledged stays", async () => {
    const stopped = await start();
    const dsn = await firstDsn(installation);
    expect((await sendError(dsn, "acknowledged")).status).toBe(200);
    const slow = await beginEnvelope();
    slow.answer.catch(() => {});
    stopped.kill("SIGTERM");
    await expect.poll(stopped.output).toContain('"msg":"stopping"');
    stopped.kill("SIGTERM");
    expect(await stopped.ended).toBe(130);

    const { url } = await start();
    const token = await newToken(installation);
    await expect.poll(() => storedEvents(url, token), { timeout: 60_000 }).toBe(1);
  });

  test("a request that never ends is cut at the deadline", async () => {
    await install({ SIGNALBOX_SHUTDOWN_DEADLINE: "1s" });
    const server = await start();
    const slow = await beginEnvelope();
    slow.answer.catch(() => {});
    expect(await server.stop()).toBe(0);
  });

  test("PF-015 an error that nobody caught is logged and ends the process, so that it is started again", async () => {
    const stray = join(directory.path, "stray.mjs");
    const readiness = `http://${installation.env["SIGNALBOX_METRICS_LISTEN"]}/-/readiness`;
    writeFileSync(
      stray,
      `const isReady = async () => (await fetch("${readiness}").catch(() => undefined))?.status === 200;
       const afterStart = setInterval(async () => {
         if (!(await isReady())) return;
         clearInterval(afterStart);
         throw new Error("nobody expects this");
       }, 100);`,
    );
    const running = startProgram(["serve", "--quiet"], { ...installation.env, NODE_OPTIONS: `--import ${stray}` });
    children.push(running.process);
    const { exitCode, out } = await running.ended;
    expect(exitCode).toBe(1);
    expect(out).toContain("nobody expects this");
    expect(out).toContain('"origin":"unhandledRejection"');
  });

  test("stops in order when its supervisor is gone", async () => {
    const { child, exitCode } = supervised();
    await new Promise<void>((resolve) => child.once("message", () => resolve()));
    child.disconnect();
    expect(await exitCode).toBe(0);
    expect(existsSync(join(directory.path, "data", "server.lock"))).toBe(false);
  });

  test("a signal while the server starts is obeyed", async () => {
    const { child, exitCode } = supervised();
    await expect
      .poll(() => existsSync(join(directory.path, "data", "server.lock")), { timeout: 60_000, interval: 5 })
      .toBe(true);
    child.kill("SIGTERM");
    expect(await exitCode).toBe(0);
    expect(existsSync(join(directory.path, "data", "server.lock"))).toBe(false);
  });
});

/** The program as a supervisor runs it, with a channel to it. */
function supervised(): { readonly child: ChildProcess; readonly exitCode: Promise<unknown> } {
  // Without the options of the process that runs the tests.
  const child = fork(program, ["serve", "--quiet"], { env: installation.env, stdio: "ignore", execArgv: [] });
  children.push(child);
  return { child, exitCode: new Promise((resolve) => child.once("exit", resolve)) };
}

async function storedEvents(url: string, token: string): Promise<number> {
  const { body } = await getJson(`${url}/api/v1/projects/1/errors?limit=100`, token);
  if (!Array.isArray(body)) return -1;
  return body.reduce((sum, issue) => sum + Number(issue.event_count), 0);
}

/** Sends an envelope up to its middle. */
async function beginEnvelope(): Promise<{ finish(): void; readonly answer: Promise<IncomingMessage> }> {
  const { origin, username, pathname } = new URL(await firstDsn(installation));
  const event = JSON.stringify({ message: "slow" });
  const outgoing: ClientRequest = request(`${origin}/api${pathname}/envelope/`, {
    method: "POST",
    headers: {
      "x-sentry-auth": `Sentry sentry_version=7, sentry_key=${username}`,
      "transfer-encoding": "chunked",
      expect: "100-continue",
    },
  });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on("response", (response) => {
      response.resume();
      resolve(response);
    });
    outgoing.on("error", reject);
  });
  // The server has the headers when it asks for the rest.
  outgoing.flushHeaders();
  await new Promise<void>((resolve) => outgoing.once("continue", resolve));
  outgoing.write(`{}\n{"type":"event","length":${event.length}}\n`);
  return { finish: () => void outgoing.end(event), answer };
}

function get(url: string, agent: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (answer) => {
      answer.on("end", () => resolve(answer));
      answer.resume();
    })
      .on("error", reject)
      .end();
  });
}
