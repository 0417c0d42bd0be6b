import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { copySqlite } from "./copy-sqlite.js";
import type { Database } from "./database.js";
import { openSqlite } from "./sqlite.js";

let directory: string;
let path: string;
let database: Database;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "signalbox-copy-"));
  path = join(directory, "box.db");
  database = await openSqlite({ path });
  await database.run("create table numbers (n integer primary key, filler text)");
});
afterEach(async () => {
  await database.close();
  rmSync(directory, { recursive: true, force: true });
});

async function numbersIn(file: string): Promise<number[]> {
  const copy = await openSqlite({ path: file });
  try {
    const { rows } = await copy.run<{ n: number }>("select n from numbers order by n");
    return rows.map(({ n }) => n);
  } finally {
    await copy.close();
  }
}

const filler = "x".repeat(500);
const insert = (n: number) => database.run("insert into numbers values (?, ?)", [n, filler]);

test("PF-012 the copy shows one moment: all that was committed before it and nothing of later", async () => {
  let stop = false;
  let committed = 0;
  const writing = (async () => {
    while (!stop) {
      await insert(committed);
      committed += 1;
    }
  })();
  await expect.poll(() => committed, { timeout: 60_000 }).toBeGreaterThan(200);

  const before = committed;
  let atMoment: number[] = [];
  const to = join(directory, "copy.db");
  await copySqlite({
    path,
    to,
    // Whoever reads now sees what the copy will hold.
    atMoment: async () => {
      atMoment = (await database.reader<{ numbers: { n: number } }>().selectFrom("numbers").select("n").execute()).map(
        ({ n }) => n,
      );
    },
  });
  const after = committed;
  await expect.poll(() => committed, { timeout: 60_000 }).toBeGreaterThan(after);
  stop = true;
  await writing;

  const copied = await numbersIn(to);
  expect(copied).toEqual(atMoment.sort((one, other) => one - other));
  expect(copied.length).toBeGreaterThanOrEqual(before);
  expect(copied).toEqual(copied.map((_, index) => index));
});

test("PF-012 writers wait for the moment, and go on while the copy is written", async () => {
  for (let n = 0; n < 2_000; n += 500)
    await database.runMany(
      "insert into numbers values (?, ?)",
      Array.from({ length: 500 }, (_, index) => [n + index, filler]),
    );
  const order: string[] = [];
  let late: Promise<unknown> | undefined;
  await copySqlite({
    path,
    to: join(directory, "copy.db"),
    atMoment: async () => {
      late = insert(9_999).then(() => order.push("written"));
      await new Promise((resolve) => setTimeout(resolve, 50));
      order.push("moment over");
    },
  });
  await late;
  expect(order).toEqual(["moment over", "written"]);
  expect(await numbersIn(join(directory, "copy.db"))).toHaveLength(2_000);
});

test("PF-012 a failure leaves no copy, and lets writers go on", async () => {
  const to = join(directory, "copy.db");
  await insert(1);
  const failing = copySqlite({ path, to, atMoment: () => Promise.reject(new Error("not now")) });
  await expect(failing).rejects.toThrow("not now");
  await insert(2);
  await expect(numbersIn(to)).rejects.toThrow("no such table");

  const missing = copySqlite({ path: join(directory, "none.db"), to: join(directory, "other.db") });
  await expect(missing).rejects.toMatchObject({ code: "DATABASE_ACCESS_DENIED" });
});

test("PF-012 a file that is there already is not overwritten", async () => {
  await insert(1);
  const to = join(directory, "copy.db");
  writeFileSync(to, "precious");
  await expect(copySqlite({ path, to })).rejects.toMatchObject({ code: "DATABASE_ACCESS_DENIED" });
  expect(readFileSync(to, "utf8")).toBe("precious");
});
