import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requireServers, startClickHouseHttp, startPostgres } from "@signalbox/testing/servers";
import { describe, expect, onTestFinished, test } from "vitest";
import type { CrashReport, CrashWorkerOptions } from "../testing/crash-worker.js";
import { digestSteps } from "./digest-metrics.js";

const program = fileURLToPath(new URL("../dist/testing/crash-worker.js", import.meta.url));

const eventsPerRound = 20;
const groups = 4;

type Stores = Pick<CrashWorkerOptions, "database" | "analytics">;

interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly output: string;
}

function runWorker(options: CrashWorkerOptions): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ signal, code, output }));
  });
}

/**
 * Kills a worker after each step, each with new events beside those that its predecessor left; after every second death
 * one may finish and tell what is there. More deaths in a row would have the events handled one by one.
 */
async function crashAfterEachStep(stores: Stores): Promise<void> {
  let published = 0;
  for (const [index, step] of digestSteps.entries()) {
    const publish = { from: published, to: published + eventsPerRound };
    published = publish.to;
    const { signal } = await runWorker({ ...stores, publish, total: published, crashAfter: step });
    expect(signal, `after ${step}`).toBe("SIGKILL");
    if (index % 2 === 0) continue;
    const { code, output } = await runWorker({ ...stores, publish: { from: 0, to: 0 }, total: published });
    expect(code).toBe(0);
    expectEverythingOnce(JSON.parse(output), published);
  }
}

function expectEverythingOnce(report: CrashReport, total: number): void {
  expect(report).toEqual({
    issues: Array.from({ length: groups }, (_, group) => ({
      title: `ValueError: group ${group} failed`,
      events: total / groups,
      users: 5,
    })),
    shortNumbers: [1, 2, 3, 4],
    states: { written: total },
    ledger: { received: total, stored: total },
    rows: total,
    payloads: total,
    announcements: groups,
  });
}

describe("kill -9 after each step of the digest", () => {
  test("ET-281 ET-282 loses and doubles nothing on SQLite and chDB", { timeout: 600_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), "digest-crash-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    await crashAfterEachStep({
      database: { path: join(directory, "db") },
      analytics: { path: join(directory, "analytics") },
    });
  });

  const needed = requireServers(["postgres"]);
  test.skipIf(needed.skip)(
    needed.title("ET-281 ET-282 loses and doubles nothing on PostgreSQL and a ClickHouse server"),
    { timeout: 600_000 },
    async () => {
      const [postgres, clickhouse] = await Promise.all([startPostgres(), startClickHouseHttp()]);
      onTestFinished(async () => {
        await Promise.all([postgres.stop(), clickhouse.stop()]);
      });
      await crashAfterEachStep({
        database: { url: await postgres.createDatabase() },
        analytics: { url: clickhouse.url },
      });
    },
  );
});
