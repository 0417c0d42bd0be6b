import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "../servers/signalbox.js";

const app = fileURLToPath(new URL("../sdk-apps/node-error.mjs", import.meta.url));

let dataDirectory: string;
let installation: SignalboxInstallation;
let server: SignalboxServer;
let dsn: string;
let token: string;

beforeAll(async () => {
  dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-first-"));
  installation = await installSignalbox({ dataDirectory });
  server = await installation.start();
  const [project] = (await installation.command("project", "list")) as { dsn: string }[];
  dsn = project?.dsn ?? "";
  ({ token } = (await installation.command("token", "create", "--scope", "errors:read")) as { token: string });
});

afterAll(async () => {
  await server?.stop();
  await rm(dataDirectory, { recursive: true, force: true });
});

interface Issue {
  readonly fingerprint: number;
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly actor: string;
  readonly event_count: number;
  readonly first_seen_at: string;
  readonly last_seen_at: string;
}

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  expect(answer.status, `${path}: ${await answer.clone().text()}`).toBe(200);
  return (await answer.json()) as T;
}

/** Runs the program; it ends with an exit code because it throws. */
async function throwError(withDsn: string, ...args: string[]): Promise<void> {
  const run = promisify(execFile)(process.execPath, [app, ...args], { env: { ...process.env, SENTRY_DSN: withDsn } });
  await expect(run).rejects.toMatchObject({ code: 1 });
}

async function issuesOnce(ready: (issues: Issue[]) => boolean): Promise<Issue[]> {
  let issues: Issue[] = [];
  await expect
    .poll(
      async () => {
        issues = await get<Issue[]>("/api/v1/projects/1/errors");
        return ready(issues);
      },
      { timeout: 15_000, interval: 50 },
    )
    .toBe(true);
  return issues;
}

test("ET-001 ET-320 an unmodified @sentry/node with nothing but the DSN makes one issue, counts it again, and opens a second for another error", async () => {
  const startedMs = Date.now();
  await throwError(dsn);
  const [issue] = await issuesOnce((issues) => issues.length === 1);
  expect(issue).toMatchObject({ event_count: 1, name: "RangeError", title: "RangeError: the basket is empty" });
  expect(issue?.actor).toContain("checkOut");
  expect(Date.parse(issue?.first_seen_at ?? "")).toBeGreaterThan(startedMs - 60_000);
  expect(issue?.last_seen_at).toBe(issue?.first_seen_at);

  await throwError(dsn);
  const [again] = await issuesOnce(([first]) => first?.event_count === 2);
  expect(again?.fingerprint).toBe(issue?.fingerprint);

  await throwError(dsn, "unused", "other");
  const issues = await issuesOnce((found) => found.length === 2);
  expect(issues.map((found) => found.event_count).sort()).toEqual([1, 2]);
});

test("ET-323 the issue's latest event shows its frames with context lines", async () => {
  const issues = await get<Issue[]>("/api/v1/projects/1/errors");
  const issue = issues.find(({ name }) => name.startsWith("RangeError"));
  const [latest] = await get<{ payload: string }[]>(
    `/api/v1/projects/1/errors/${issue?.fingerprint}/events?sort=occurred_at_desc&limit=1`,
  );
  const payload = JSON.parse(latest?.payload ?? "{}");
  const frames: { function?: string; context_line?: string; pre_context?: string[] }[] =
    payload.exception.values.at(-1).stacktrace.frames;
  const crash = frames.at(-1);
  expect(crash?.function).toBe("checkOut");
  expect(crash?.context_line).toContain("throw new RangeError");
  expect(crash?.pre_context?.join("\n")).toContain("function checkOut(basket)");
});

test("ET-020 the same works through a DSN with a path prefix", async () => {
  const before = await get<Issue[]>("/api/v1/projects/1/errors");
  const prefixed = new URL(dsn);
  prefixed.pathname = `/forge/errors${prefixed.pathname}`;
  await throwError(prefixed.href);
  const countOf = (issues: Issue[]) => issues.reduce((sum, { event_count }) => sum + event_count, 0);
  await issuesOnce((issues) => countOf(issues) === countOf(before) + 1 && issues.length === before.length);
});
