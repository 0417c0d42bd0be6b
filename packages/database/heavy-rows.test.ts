import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Database } from "./database.js";
import { openSqlite } from "./sqlite.js";

// Rows with much text are written in a thread of the driver. What is promised of a batch holds for them, too.

let directory = "";
let database: Database;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "signalbox-heavy-"));
  database = await openSqlite({ path: join(directory, "heavy.db") });
  await database.run("create table items (name text primary key, body text not null)");
});

afterEach(async () => {
  await database.close();
  rmSync(directory, { recursive: true });
});

const together = "insert into items select value ->> 0, value ->> 1 from json_each(?) where true order by key";

/** Some thousand rows of a few hundred characters, as one text. */
function manyRows(from: number, count = 3_000): string {
  return JSON.stringify(Array.from({ length: count }, (_, index) => [`item-${from + index}`, "x".repeat(300)]));
}

async function countItems(): Promise<number> {
  const { rows } = await database.run<{ count: number }>("select count(*) as count from items");
  return rows[0]?.count ?? 0;
}

test("PF-061 the event loop goes on while rows with much text are written, and their changes are counted", async () => {
  let turns = 0;
  let turnsMeanwhile = 0;
  const counting = setInterval(() => turns++, 1);
  const results = await database
    .transaction(
      async (transaction) => {
        turns = 0;
        const written = await database.batch(
          [
            { sql: together, rows: [[manyRows(0, 60_000)]] },
            { sql: "insert into items values (?, ?)", rows: [["small", "y"]] },
          ],
          transaction,
        );
        turnsMeanwhile = turns;
        return written;
      },
      { timeoutMs: 0 },
    )
    .finally(() => clearInterval(counting));
  expect(results.map(({ changes }) => changes)).toEqual([60_000, 1]);
  expect(turnsMeanwhile).toBeGreaterThan(0);
  expect(await countItems()).toBe(60_001);
});

test("PF-061 rows of a returning clause come in their order", async () => {
  const [result] = await database.transaction((transaction) =>
    database.batch([{ sql: `${together} returning name`, rows: [[manyRows(0, 250)]] }], transaction),
  );
  expect(result?.changes).toBe(250);
  expect(result?.rows.map((row) => row["name"])).toEqual(Array.from({ length: 250 }, (_, index) => `item-${index}`));
});

test("PF-061 a row that breaks a constraint undoes its transaction, and the same statement works again", async () => {
  await database.batch([{ sql: "insert into items values (?, ?)", rows: [["item-1", "taken"]] }]);
  const write = (from: number): Promise<unknown> =>
    database.commitTogether((transaction) =>
      database.batch([{ sql: together, rows: [[manyRows(from)]] }], transaction),
    );
  const [failed, done] = await Promise.allSettled([write(0), write(5_000)]);
  expect(failed).toMatchObject({ status: "rejected", reason: { code: "DATABASE_CONSTRAINT" } });
  expect(done).toMatchObject({ status: "fulfilled" });
  expect(await countItems()).toBe(3_001);
  await write(10_000);
  const another = await openSqlite({ path: join(directory, "heavy.db") });
  const { rows } = await another.run<{ count: number }>("select count(*) as count from items");
  await another.close();
  expect(rows).toEqual([{ count: 6_001 }]);
});

test("PF-061 what a transaction still has under way when its time is over is not written into the next one", async () => {
  let underway: Promise<unknown> = Promise.resolve();
  const late = database.transaction(
    (transaction) => {
      const statements = Array.from({ length: 100 }, (_, index) => ({
        sql: together,
        rows: [[manyRows(index * 3_000)]],
      }));
      underway = database.batch(statements, transaction);
      underway.catch(() => {});
      return underway;
    },
    { timeoutMs: 1 },
  );
  await expect(late).rejects.toMatchObject({ code: "DATABASE_TIMEOUT" });
  await database.transaction((transaction) => database.run("insert into items values ('next', 'y')", [], transaction));
  await expect(underway).rejects.toMatchObject({ code: "DATABASE_TRANSACTION_ENDED" });
  expect(await countItems()).toBe(1);
});
