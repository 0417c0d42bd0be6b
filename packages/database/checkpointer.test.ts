import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createVirtualClock, silentLogger } from "@signalbox/kernel";
import { expect, onTestFinished, test } from "vitest";
import { type Checkpointer, createCheckpointer } from "./checkpointer.js";
import { openSqlite } from "./sqlite.js";
import { createTurnstile } from "./turnstile.js";

test("after some commits the log is moved twice beside the writers, and once while they wait", async () => {
  const { checkpointer, clock, steps, turnstile } = setUp();
  commit(checkpointer, 15);
  await clock.advanceBy(10_000);
  expect(steps).toEqual([]);
  const leave = await turnstile.enter();
  commit(checkpointer, 1);
  await clock.advanceBy(500);
  expect(steps).toEqual(["beside", "beside"]);
  leave();
  await clock.advanceBy(0);
  expect(steps).toEqual(["beside", "beside", "alone"]);
  expect(turnstile.waiting).toBe(0);
});

test("commits that come meanwhile are for the next time, and a failure is no end", async () => {
  const { checkpointer, clock, steps, turnstile } = setUp();
  for (let round = 1; round <= 3; round++) {
    commit(checkpointer, 100);
    if (round === 2) steps.fail = true;
    await clock.advanceBy(500);
    steps.fail = false;
  }
  expect([...steps]).toEqual(["beside", "beside", "alone", "failed", "beside", "beside", "alone"]);
  await (await turnstile.enter())();
});

test("closing waits for what is under way and begins nothing more", async () => {
  const { checkpointer, clock, steps, turnstile } = setUp();
  const leave = await turnstile.enter();
  commit(checkpointer, 16);
  await clock.advanceBy(500);
  let closed = false;
  const closing = checkpointer.close().then(() => (closed = true));
  await clock.advanceBy(0);
  expect(closed).toBe(false);
  leave();
  await closing;
  expect(steps).toHaveLength(3);
  commit(checkpointer, 100);
  await clock.advanceBy(10_000);
  expect(steps).toHaveLength(3);
});

test("what was written is in the database's file soon, and the log starts over", async () => {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-checkpointer-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "signalbox.db");
  const database = await openSqlite({ path });
  onTestFinished(() => database.close());
  await database.run("create table log (entry text)");
  const entry = "x".repeat(50_000);
  for (let round = 1; round <= 5; round++) {
    for (let index = 0; index < 20; index++) await database.run("insert into log (entry) values (?)", [entry]);
    await expect.poll(() => statSync(path).size).toBeGreaterThan(round * 1_000_000);
  }
  expect(statSync(`${path}-wal`).size).toBeLessThan(3_000_000);
});

interface Steps extends Array<string> {
  fail?: boolean;
}

function setUp() {
  const clock = createVirtualClock();
  const turnstile = createTurnstile();
  const steps: Steps = [];
  let alone = false;
  const checkpointer = createCheckpointer({
    clock,
    logger: silentLogger,
    async checkpoint() {
      steps.push(steps.fail ? "failed" : alone ? "alone" : "beside");
      if (steps.fail) throw new Error("no space left");
    },
    async enter() {
      const leave = await turnstile.enter();
      alone = true;
      return () => {
        alone = false;
        leave();
      };
    },
  });
  return { checkpointer, clock, steps, turnstile };
}

function commit(checkpointer: Checkpointer, times: number): void {
  for (let time = 0; time < times; time++) checkpointer.noteCommit();
}
