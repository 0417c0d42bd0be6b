import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "@signalbox/kernel";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCommandLine } from "../command-line.js";
import { readServerConfig } from "../config.js";
import { lockDataDirectory } from "../data-directory.js";
import { ServerError } from "../errors.js";
import {
  firstDsn,
  getJson,
  newEventId,
  newToken,
  runProgram,
  sendError,
  startProgram,
  temporaryDirectory,
} from "../testing.js";
import { restoreBackup } from "./restore-backup.js";

let directory: ReturnType<typeof temporaryDirectory>;
let installation: SignalboxInstallation;
let backup: string;
const servers: SignalboxServer[] = [];

beforeEach(async () => {
  directory = temporaryDirectory();
  backup = join(directory.path, "backup");
  installation = await install("data");
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.kill("SIGKILL");
    await server.ended;
  }
  directory.remove();
});

/** The test asks for each event that it sent. */
const generous = {
  SIGNALBOX_HTTP_RATE_LIMITS_TOKEN_BURST: "100000",
  SIGNALBOX_HTTP_RATE_LIMITS_ADDRESS_BURST: "100000",
};

function install(name: string, env: Readonly<Record<string, string>> = {}): Promise<SignalboxInstallation> {
  return installSignalbox({
    dataDirectory: join(directory.path, name),
    flags: ["--quiet"],
    env: { ...generous, ...env },
  });
}

/** The server, which the end of the test kills. */
async function start(of = installation): Promise<SignalboxServer> {
  const server = await of.start();
  servers.push(server);
  return server;
}

function restore(name: string) {
  const { values: config } = readServerConfig({ env: {}, flags: { data_dir: join(directory.path, name) } });
  return restoreBackup({ config, directory: backup, clock: systemClock, onProgress: () => {} });
}

/** The command in this process, which saves the start of another. */
async function runHere(env: NodeJS.ProcessEnv, ...args: string[]): Promise<{ exitCode: number; err: string }> {
  const lines: string[] = [];
  const ignore = (): void => {};
  const err = (line: string): void => void lines.push(line);
  const terminal = { env, isTerminal: false, out: ignore, err, ready: ignore, exit: ignore, kill: ignore };
  const exitCode = await runCommandLine(args, terminal);
  return { exitCode, err: lines.join("\n") };
}

const run = (of: SignalboxInstallation, ...args: string[]) => runProgram(args, of.env);

const sendEveryMs = 200;
/** Eight programs, one after the other, on a machine that others use too. */
const manyProgramsMs = 300_000;

/** Senders that go on until they are stopped, with what was acknowledged so far. */
function sendErrors(dsn: string) {
  const acknowledged: string[] = [];
  let running = true;
  const sender = async (): Promise<void> => {
    while (running) {
      const eventId = newEventId();
      // Larger ones are kept beside the database until they are handled.
      const message = `load ${acknowledged.length % 5} ${acknowledged.length % 10 === 0 ? "x".repeat(300_000) : ""}`;
      const answer = await sendError(dsn, message, eventId).catch(() => undefined);
      if (answer?.status === 200) acknowledged.push(eventId);
      await setTimeout(sendEveryMs);
    }
  };
  const senders = [1, 2].map(sender);
  return {
    acknowledged,
    async stop() {
      running = false;
      await Promise.all(senders);
    },
  };
}

async function knownOf(url: string, token: string, eventIds: readonly string[]): Promise<string[]> {
  const known: string[] = [];
  for (const id of eventIds) {
    const { status } = await getJson(`${url}/api/v1/projects/1/errors/events/${id}`, token);
    expect([200, 404]).toContain(status);
    if (status === 200) known.push(id);
  }
  return known;
}

async function countedEvents(url: string, token: string): Promise<number> {
  const { body } = await getJson(`${url}/api/v1/projects/1/errors`, token);
  if (!Array.isArray(body)) throw new Error("there is no list of errors");
  return body.reduce((sum: number, { event_count }) => sum + event_count, 0);
}

describe("backup", () => {
  test(
    "PF-012 under load: all that was acknowledged before it is in it, once, and everything agrees",
    async () => {
      const server = await start();
      const dsn = await firstDsn(installation);
      const token = await newToken(installation, "errors:read,relay:read");
      const load = sendErrors(dsn);
      try {
        await expect.poll(() => load.acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(15);
        const before = [...load.acknowledged];
        expect(await installation.command("backup", backup)).toMatchObject({
          directory: backup,
          taken_at: expect.stringMatching(/^\d{4}-.*Z$/),
          version: "0.1.0",
          files: expect.any(Number),
          bytes: expect.any(Number),
        });
        const after = load.acknowledged.length;
        // Writers went on.
        await expect.poll(() => load.acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(after);
        await load.stop();
        expect(server.output()).not.toContain('"level":"error"');

        const restored = await install("restored");
        const { exitCode, out } = await run(restored, "restore", backup);
        expect(out).toContain("is as it was at");
        expect(exitCode).toBe(0);
        const { url } = await start(restored);
        // The token of before is good: the key that signs them came along. What was still to be handled is handled now.
        const found = async () => {
          const known = new Set(await knownOf(url, token, load.acknowledged));
          return {
            lost: before.filter((id) => !known.has(id)),
            countedTwice: (await countedEvents(url, token)) - known.size,
          };
        };
        await expect.poll(found, { timeout: 120_000, interval: 1_000 }).toEqual({ lost: [], countedTwice: 0 });
        expect(await restored.command("verify")).toMatchObject({ consistent: true });
        // The keys that the installation is known by.
        for (const key of ["token-key.json", "relay-key"])
          expect(readFileSync(join(directory.path, "restored", key), "utf8"), key).toBe(
            readFileSync(join(directory.path, "data", key), "utf8"),
          );
        expect(readdirSync(join(directory.path, "data")).filter((name) => name.startsWith(".backup-"))).toEqual([]);
        expect(readdirSync(join(directory.path, "data", "analytics", "shadow"))).toEqual(["increment.txt"]);
      } finally {
        await load.stop();
      }
    },
    manyProgramsMs,
  );

  test("PF-012 a backup that was killed is refused as incomplete, and leaves nothing behind for long", async () => {
    await start();
    const dsn = await firstDsn(installation);
    const load = sendErrors(dsn);
    try {
      await expect.poll(() => load.acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(20);
      const killed = startProgram(["backup", backup], installation.env);
      const shadow = join(directory.path, "data", "analytics", "shadow");
      const frozen = () => existsSync(shadow) && readdirSync(shadow).some((name) => name.startsWith("backup_"));
      await expect.poll(frozen, { timeout: 60_000, interval: 1 }).toBe(true);
      killed.process.kill("SIGKILL");
      await killed.ended;

      const target = await install("restored");
      const refused = await run(target, "restore", backup);
      expect(refused).toMatchObject({ exitCode: 1, err: expect.stringContaining("BACKUP_UNUSABLE") });
      expect(refused.err).toContain("incomplete");
      expect(existsSync(join(directory.path, "restored"))).toBe(false);

      // The server goes on, and the next backup removes what the killed one had put aside.
      expect((await sendError(dsn, "still here")).status).toBe(200);
      expect(await run(installation, "backup", join(directory.path, "second"))).toMatchObject({ exitCode: 0 });
      expect(frozen()).toBe(false);
      expect(readdirSync(join(directory.path, "data")).filter((name) => name.startsWith(".backup-"))).toEqual([]);
    } finally {
      await load.stop();
    }
  });

  test("PF-012 without a server it is the same; what is damaged, taken, held or too new is refused", async () => {
    const server = await start();
    await sendError(await firstDsn(installation), "one");
    server.kill("SIGTERM");
    await server.ended;
    expect(await run(installation, "backup", backup)).toMatchObject({ exitCode: 0 });
    expect(await run(installation, "backup", backup)).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("BACKUP_TARGET_TAKEN"),
    });

    expect(await restore("restored")).toMatchObject({ version: "0.1.0" });
    await expect(restore("restored")).rejects.toMatchObject({ code: "RESTORE_TARGET_TAKEN" });
    await start(await install("restored"));
    await expect(restore("restored")).rejects.toMatchObject({ code: "DATA_DIRECTORY_HELD" });

    const refusal = async (): Promise<string> => {
      const error: unknown = await restore("other").catch((thrown: unknown) => thrown);
      if (!(error instanceof ServerError)) throw new Error("the backup was not refused");
      expect(existsSync(join(directory.path, "other", "signalbox.db"))).toBe(false);
      return `${error.message} ${error.code}`;
    };
    const manifest = join(backup, "backup.json");
    const written = readFileSync(manifest, "utf8");
    const newer = JSON.parse(written);
    newer.schema.database.events.push("9999_of_the_future");
    writeFileSync(manifest, JSON.stringify(newer));
    expect(await refusal()).toMatch(/events 9999_of_the_future .* BACKUP_TOO_NEW/);
    writeFileSync(manifest, JSON.stringify({ ...JSON.parse(written), format: 2 }));
    expect(await refusal()).toContain("BACKUP_TOO_NEW");
    writeFileSync(manifest, written);

    const database = join(backup, "data", "signalbox.db");
    const content = readFileSync(database);
    content[content.length - 1] = (content.at(-1) ?? 0) ^ 1;
    writeFileSync(database, content);
    expect(await refusal()).toMatch(/signalbox.db was changed .*BACKUP_UNUSABLE/);
    truncateSync(database, 4096);
    expect(await refusal()).toMatch(/signalbox.db is missing or cut off .*BACKUP_UNUSABLE/);
    rmSync(manifest);
    expect(await refusal()).toMatch(/incomplete.*BACKUP_UNUSABLE/);
  });

  test("PF-012 a restore that was cut off keeps every server from starting on half of the data", async () => {
    await mkdir(join(directory.path, "data"));
    writeFileSync(join(directory.path, "data", "restore.incomplete"), "");
    await expect(lockDataDirectory(join(directory.path, "data"), systemClock)).rejects.toMatchObject({
      code: "RESTORE_CUT_OFF",
    });
    const { exitCode, err } = await runHere(installation.env, "token", "create", "--scope", "admin");
    expect(exitCode).toBe(1);
    expect(err).toContain("RESTORE_CUT_OFF");
    expect(readdirSync(join(directory.path, "data"))).toEqual(["restore.incomplete"]);
  });

  test("PF-012 stores on servers are refused by name, with what to use instead", async () => {
    const elsewhere = await install("elsewhere", {
      SIGNALBOX_DATABASE_URL: "postgres://box:secret@127.0.0.1:1/box",
      SIGNALBOX_CLICKHOUSE_URL: "http://127.0.0.1:1",
    });
    for (const command of ["backup", "restore"]) {
      const { exitCode, err } = await runHere(elsewhere.env, command, backup);
      expect(exitCode).toBe(1);
      expect(err).toContain("`database_url`, `clickhouse_url` (BACKUP_NOT_EMBEDDED)");
      expect(err).toContain("docs/how-to/backup.md");
    }
  });
});
