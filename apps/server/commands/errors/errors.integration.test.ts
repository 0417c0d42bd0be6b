import { join } from "node:path";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommandLine } from "../../command-line.js";
import { firstDsn, newEventId, type ProgramEnd, sendError, temporaryDirectory } from "../../testing.js";

let directory: ReturnType<typeof temporaryDirectory>;
let installation: SignalboxInstallation;
let server: SignalboxServer | undefined;
const eventId = newEventId();

beforeAll(async () => {
  directory = temporaryDirectory();
  installation = await installSignalbox({ dataDirectory: join(directory.path, "data"), flags: ["--quiet"] });
  server = await installation.start();
});

afterAll(async () => {
  await server?.stop();
  directory?.remove();
});

/** Runs a command in this process, which is a second faster than in one of its own. */
async function command(...args: string[]): Promise<ProgramEnd> {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await runCommandLine(args, {
    env: installation.env,
    isTerminal: false,
    out: (line) => void out.push(`${line}\n`),
    err: (line) => void err.push(`${line}\n`),
    ready: () => {},
    exit: () => {},
    kill: () => {},
  });
  return { exitCode, out: out.join(""), err: err.join("") };
}

test("PF-014 errors are listed, shown, explained and verified alike beside a server and without one", async () => {
  const dsn = await firstDsn(installation);
  expect((await sendError(dsn, "the basket is empty", eventId)).status).toBe(200);
  const listed = async () => JSON.parse((await command("errors", "list", "--project", "1", "--json")).out);
  await expect.poll(listed).toHaveLength(1);
  // An issue is counted a moment before its event can be queried.
  await expect.poll(async () => (await command("errors", "explain", eventId, "--project", "1")).exitCode).toBe(0);
  const lines = [
    ["errors", "list", "--project", "1"],
    ["errors", "list", "--project", "1", "--json"],
    ["errors", "show", "1", "--project", "1"],
    ["errors", "show", "1", "--project", "1", "--json"],
    ["errors", "explain", eventId, "--project", "1"],
    ["errors", "explain", eventId, "--project", "1", "--json"],
    ["verify", "--project", "1"],
  ];
  const beside: ProgramEnd[] = [];
  for (const line of lines) beside.push(await command(...line));
  for (const { exitCode, err } of beside) expect([exitCode, err]).toEqual([0, ""]);
  await server?.stop();
  server = undefined;
  const without: ProgramEnd[] = [];
  for (const line of lines) without.push(await command(...line));
  expect(without).toEqual(beside);
  const [list, , show, shown, explain, , verify] = beside;
  expect(list?.out).toContain("the basket is empty");
  expect(show?.out).toContain("# DEFAULT-1: Error: the basket is empty");
  expect(JSON.parse(shown?.out ?? "")).toMatchObject({ fingerprint: 1, description: "the basket is empty" });
  expect(explain?.out).toContain("+ value: the basket is empty");
  expect(verify?.out).toContain("Everything agrees");
});

test("an error is resolved, in a release too", async () => {
  expect(await command("errors", "resolve", "1", "--project", "1", "--release", "shop@1.4.2")).toMatchObject({
    exitCode: 0,
    out: "DEFAULT-1 is resolved\n",
  });
  const listed = await command("errors", "list", "--project", "1", "--query", "is:resolved", "--json");
  expect(JSON.parse(listed.out)).toMatchObject([{ resolution: { kind: "release", release: "shop@1.4.2" } }]);
});

test("PF-013 what there is not is said, and ends with 1", async () => {
  const missing = await command("errors", "show", "99", "--project", "1");
  expect([missing.exitCode, missing.err]).toEqual([1, expect.stringContaining("ET_ISSUE_NOT_FOUND")]);
  expect((await command("verify", "--since", "soon")).exitCode).toBe(2);
});
