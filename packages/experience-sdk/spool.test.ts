import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock, ulid } from "@signalbox/kernel";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "./create-client.js";
import type { ClientOptions } from "./options.js";
import { openSpool } from "./spool.js";
import { definitions } from "./testing/open-client.js";
import { createScriptedTransport } from "./testing/scripted-transport.js";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "spool-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function open(spoolDir: string, options: Partial<ClientOptions> = {}) {
  const transport = createScriptedTransport();
  const client = createClient({
    type: "web",
    definitions,
    environment: "production",
    transport,
    clock: systemClock,
    spoolDir,
    ...options,
  });
  onTestFinished(async () => void (await client.shutdown(0)));
  return { client, transport };
}

const away = () => new Error("away");

test("XP-088 what waits at the shutdown is kept, private to its owner, and sent by the next client, once", async () => {
  const spoolDir = temporaryFolder();
  const first = open(spoolDir);
  first.transport.script = away;
  const journey = first.client.start("checkout", { note: "ü" });
  journey.complete();
  expect(await first.client.shutdown(0)).toEqual({ sent: 0, pending: 2 });
  expect(first.client.stats().dropped.closed).toBe(0);
  const [file = ""] = readdirSync(spoolDir);
  expect(statSync(join(spoolDir, file)).mode & 0o777).toBe(0o600);

  const second = open(spoolDir);
  await expect.poll(() => second.transport.accepted.length).toBe(2);
  expect(second.transport.accepted).toMatchObject([
    { checkpoint: "start", correlation_id: journey.correlationId, sequence: 0, meta: { note: "ü" } },
    { checkpoint: "end", correlation_id: journey.correlationId, sequence: 1 },
  ]);
  await expect.poll(() => readdirSync(spoolDir)).toEqual([]);
  expect(second.client.stats().sent).toBe(2);
  const third = open(spoolDir);
  expect(await third.client.flush()).toEqual({ sent: 0, pending: 0 });
});

test("XP-088 a batch that was tried too long is kept as well", async () => {
  const spoolDir = temporaryFolder();
  const { client, transport } = open(spoolDir, { maxAttempts: 2, maxBatchWaitMs: 1, random: () => 0 });
  transport.script = away;
  client.start("checkout");
  await expect.poll(() => readdirSync(spoolDir)).toHaveLength(1);
  expect(client.stats().dropped.expired).toBe(0);
  expect(transport.requests).toHaveLength(2);
});

test("XP-088 what cannot be sent by the next client either stays for the one after", async () => {
  const spoolDir = temporaryFolder();
  const first = open(spoolDir);
  first.transport.script = away;
  first.client.start("checkout");
  await first.client.shutdown(0);
  const second = open(spoolDir, { maxAttempts: 1 });
  second.transport.script = away;
  await expect.poll(() => second.transport.requests.length).toBe(1);
  await second.client.shutdown(0);
  const third = open(spoolDir);
  await expect.poll(() => third.transport.accepted.length).toBe(1);
});

test("XP-088 a file that is not what it should be is put aside, and the others are sent", async () => {
  const spoolDir = temporaryFolder();
  const first = open(spoolDir);
  first.transport.script = away;
  first.client.start("checkout");
  await first.client.shutdown(0);
  for (const [name, text] of [
    ["00000000000000000000000001", '[{"cut'],
    ["00000000000000000000000002", "{}"],
    ["00000000000000000000000003", "[1]"],
  ])
    writeFileSync(join(spoolDir, `${name}.spool.json`), text ?? "");
  const second = open(spoolDir);
  await expect.poll(() => second.transport.accepted.length).toBe(1);
  await expect
    .poll(() => readdirSync(spoolDir))
    .toEqual([1, 2, 3].map((n) => `0000000000000000000000000${n}.spool.json.bad`));
});

test("XP-088 the oldest make room beyond 64 MiB", async () => {
  const directory = temporaryFolder();
  const spool = openSpool({ directory, newUlid: ulid, warn: (_key, message) => silentLogger.warn(message) });
  const half = [JSON.stringify({ filler: "x".repeat(24 * 1_024 * 1_024) })];
  for (let index = 0; index < 3; index++) expect(await spool.write(half)).toBe(true);
  const files = readdirSync(directory).sort();
  expect(files).toHaveLength(2);
  expect(await spool.write([JSON.stringify({ last: true })])).toBe(true);
  expect(readdirSync(directory)).toEqual(expect.arrayContaining(files));
  const [newest = ""] = readdirSync(directory).sort().slice(-1);
  expect(readFileSync(join(directory, newest), "utf8")).toBe('[{"last":true}]');
});

test("XP-088 XP-040 a folder that cannot be made is refused when the client is made; one that goes away later is not felt", async () => {
  const spoolDir = temporaryFolder();
  writeFileSync(join(spoolDir, "file"), "");
  expect(() => open(join(spoolDir, "file", "spool"))).toThrow(/`spoolDir`/);
  const { client, transport } = open(join(spoolDir, "spool"));
  transport.script = away;
  client.start("checkout");
  rmSync(join(spoolDir, "spool"), { recursive: true });
  await client.shutdown(0);
  expect(client.stats().dropped.closed).toBe(1);
});
