import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createVirtualClock, systemClock } from "@signalbox/kernel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { directoryHolder, lockDataDirectory } from "./data-directory.js";

let place: string;
let directory: string;
let lockFile: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "signalbox-lock-"));
  directory = join(place, "data");
  lockFile = join(directory, "server.lock");
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

describe("data directory lock", () => {
  test("makes the directory, holds it and gives it back", async () => {
    const lock = await lockDataDirectory(directory, systemClock);
    expect(lock.crashed).toBeUndefined();
    expect(directoryHolder(directory, systemClock)?.pid).toBe(process.pid);
    lock.release();
    lock.release();
    expect(existsSync(lockFile)).toBe(false);
    expect(directoryHolder(directory, systemClock)).toBeUndefined();
  });

  test("PF-008 refuses a directory that another process holds, naming the process", async () => {
    const other = spawn("sleep", ["60"]);
    try {
      await given({ pid: other.pid, host: hostname() });
      await expect(lockDataDirectory(directory, systemClock)).rejects.toMatchObject({
        code: "DATA_DIRECTORY_HELD",
        message: expect.stringContaining(`Process ${other.pid} `),
        details: { pid: other.pid },
      });
    } finally {
      other.kill("SIGKILL");
    }
  });

  test("PF-010 takes over what a dead process left behind, and says whose it was", async () => {
    const dead = spawn("true");
    await new Promise((resolve) => dead.on("exit", resolve));
    await given({ pid: dead.pid, host: hostname(), startedAt: "2026-01-01T00:00:00.000Z" });
    const lock = await lockDataDirectory(directory, systemClock);
    expect(lock.crashed).toMatchObject({ pid: dead.pid, startedAt: "2026-01-01T00:00:00.000Z" });
    expect(directoryHolder(directory, systemClock)?.pid).toBe(process.pid);
    lock.release();
  });

  test.runIf(existsSync("/proc/self/stat"))("a later process with the same id is not the holder", async () => {
    await given({ pid: process.ppid, host: hostname(), startTicks: "1" });
    const lock = await lockDataDirectory(directory, systemClock);
    expect(lock.crashed?.pid).toBe(process.ppid);
    lock.release();
  });

  test("takes over a damaged lock file", async () => {
    await given("not JSON");
    const lock = await lockDataDirectory(directory, systemClock);
    expect(directoryHolder(directory, systemClock)?.pid).toBe(process.pid);
    lock.release();
  });

  test("a holder on another host counts as alive while it touches its lock", async () => {
    await given({ pid: 1, host: "elsewhere" });
    const clock = createVirtualClock(Date.now());
    const attempt = lockDataDirectory(directory, clock);
    attempt.catch(() => {});
    await clock.advanceBy(5_000);
    utimesSync(lockFile, new Date(), new Date(Date.now() + 1_000));
    await clock.advanceBy(5_000);
    await expect(attempt).rejects.toMatchObject({ code: "DATA_DIRECTORY_HELD", details: { host: "elsewhere" } });
  });

  test("a silent holder on another host loses the directory after 15 s", async () => {
    await given({ pid: 1, host: "elsewhere" });
    const clock = createVirtualClock(Date.now());
    let taken = false;
    const attempt = lockDataDirectory(directory, clock).then((lock) => {
      taken = true;
      return lock;
    });
    await clock.advanceBy(14_000);
    expect(taken).toBe(false);
    await clock.advanceBy(1_000);
    (await attempt).release();
    expect(taken).toBe(true);
  });

  test("of many that start at once on a stale lock exactly one gets the directory", async () => {
    await given({ pid: 0, host: hostname() });
    const attempts = await Promise.allSettled(
      Array.from({ length: 20 }, () => lockDataDirectory(directory, systemClock)),
    );
    const locks = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
    expect(locks).toHaveLength(1);
    locks[0]?.release();
  });

  test("the holder says where it listens", async () => {
    const lock = await lockDataDirectory(directory, systemClock);
    lock.announce({ url: "http://127.0.0.1:8787", metricsUrl: "http://127.0.0.1:9464" });
    expect(directoryHolder(directory, systemClock)).toMatchObject({
      pid: process.pid,
      url: "http://127.0.0.1:8787",
      metricsUrl: "http://127.0.0.1:9464",
    });
    lock.release();
    lock.announce({ url: "http://127.0.0.1:1", metricsUrl: undefined });
    expect(existsSync(lockFile)).toBe(false);
  });

  test("waiting for a holder on another host can be given up", async () => {
    await given({ pid: 1, host: "elsewhere" });
    const giveUp = new AbortController();
    const attempt = lockDataDirectory(directory, createVirtualClock(), giveUp.signal);
    giveUp.abort(new Error("stop"));
    await expect(attempt).rejects.toThrow("stop");
  });

  test("releasing leaves the lock of a successor alone", async () => {
    const lock = await lockDataDirectory(directory, systemClock);
    const successor = JSON.stringify({ pid: process.ppid, host: hostname(), startedAt: "later" });
    writeFileSync(lockFile, successor);
    lock.release();
    expect(readFileSync(lockFile, "utf8")).toBe(successor);
  });
});

async function given(holder: object | string): Promise<void> {
  // Makes the directory.
  (await lockDataDirectory(directory, systemClock)).release();
  const content =
    typeof holder === "string" ? holder : JSON.stringify({ startedAt: "2026-01-01T00:00:00.000Z", ...holder });
  writeFileSync(lockFile, content);
}
