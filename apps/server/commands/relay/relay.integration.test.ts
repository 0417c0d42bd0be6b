import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommandLine } from "../../command-line.js";
import { type ProgramEnd, temporaryDirectory } from "../../testing.js";

let directory: ReturnType<typeof temporaryDirectory>;
let installation: SignalboxInstallation;
let server: SignalboxServer | undefined;
let source: SignalboxServer | undefined;
let sourceUrl = "";
const unknownEvent = "0".repeat(64);

beforeAll(async () => {
  directory = temporaryDirectory();
  const sourceInstallation = await installSignalbox({
    dataDirectory: join(directory.path, "source"),
    flags: ["--only", "relay"],
  });
  source = await sourceInstallation.start();
  sourceUrl = `ws://${sourceInstallation.env["SIGNALBOX_RELAY_LISTEN"]}`;
  installation = await installSignalbox({
    dataDirectory: join(directory.path, "data"),
    flags: ["--only", "relay,dashboard"],
    env: {
      SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: sourceUrl,
      SIGNALBOX_RELAY_SYNC_ALLOWED_NETWORKS: "127.0.0.0/8",
      SIGNALBOX_RELAY_SYNC_BASE_BACKOFF_S: "1",
    },
  });
  server = await installation.start();
});

afterAll(async () => {
  await server?.stop();
  await source?.stop();
  directory?.remove();
});

/** Runs a command in this process, which is a second faster than in one of its own. */
async function relay(...args: string[]): Promise<ProgramEnd> {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await runCommandLine(["relay", ...args], {
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

test("GR-455 the status succeeds when every peer is synced completely, and fails once one is lost", async () => {
  await expect.poll(async () => (await relay("status")).exitCode, { timeout: 60_000 }).toBe(0);
  expect((await relay("status")).out).toMatch(
    /1 of 1 peers synced completely\nPEER +STATUS[^\n]*\nws:\S+ +connected +/,
  );
  const json = JSON.parse((await relay("status", "--json")).out);
  expect(json).toMatchObject({
    status: { sync_enabled: true, peers: { total: 1, completely_synced: 1 } },
    peers: [{ url: sourceUrl, status: "connected", complete: { announcements: true } }],
  });

  await source?.stop();
  await expect.poll(async () => (await relay("status")).exitCode, { timeout: 60_000 }).toBe(1);
  await expect.poll(async () => (await relay("status")).out).toMatch(/disconnected +degraded .*ECONNREFUSED/);
});

test("GR-455 a repair says what it would do, and does it", async () => {
  const planned = await relay("repair", "--relay", sourceUrl, "--dry-run", "--json");
  expect(JSON.parse(planned.out)).toMatchObject({ relay: sourceUrl, dry_run: true });
  const done = await relay("repair", "--relay", sourceUrl);
  expect(done).toMatchObject({ exitCode: 0, out: expect.stringContaining("sync everything anew") });
  expect(await relay("repair", "--relay", "wss://unknown.example")).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("relay_peer_unknown"),
  });
});

test("GR-147 GR-455 the policy is reviewed on request, and only looked at", async () => {
  expect(await relay("repair", "--policy", "--dry-run")).toMatchObject({
    exitCode: 0,
    out: "0 of 0 stored events would be refused today\n",
  });
  for (const wrong of [["--policy"], ["--policy", "--dry-run", "--relay", sourceUrl], []])
    expect((await relay("repair", ...wrong)).exitCode).toBe(2);
});

test("GR-145 a policy module is tried on stored events beside the running server, and its absence is a wrong use", async () => {
  const example = fileURLToPath(new URL("../../../../examples/relay-policy.mjs", import.meta.url));
  const tried = await relay("policy-check", "--module", example, "--since", "30d", "--json");
  expect(tried).toMatchObject({ exitCode: 0, err: "" });
  expect(JSON.parse(tried.out)).toEqual({ checked: 0, would_be_refused: [], is_cut: false, faults: 0, slowest_ms: 0 });
  expect((await relay("policy-check", "--module", example)).out).toBe("0 of 0 stored events would be refused\n");
  expect(await relay("policy-check", "--module", join(directory.path, "none.mjs"))).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("RELAY_BAD_POLICY_MODULE"),
  });
  for (const wrong of [[], ["--module", example, "--since", "soon"], ["--module", example, "--limit", "0"]])
    expect((await relay("policy-check", ...wrong)).exitCode).toBe(2);
});

test("GR-455 what cannot be explained is said, and what is no name of anything is a wrong use", async () => {
  expect(await relay("explain", unknownEvent)).toMatchObject({ exitCode: 1, err: "This event was never seen here.\n" });
  const key = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";
  expect(await relay("explain", `${key}/shop`)).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("announced"),
  });
  expect((await relay("explain", "something")).exitCode).toBe(2);
});

test("GR-455 without a server the status fails", async () => {
  await server?.stop();
  server = undefined;
  expect(await relay("status")).toMatchObject({ exitCode: 1, err: expect.stringContaining("signalbox serve") });
});
