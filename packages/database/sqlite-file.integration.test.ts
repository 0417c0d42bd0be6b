import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canMountSmallDisk, mountSmallDisk } from "@signalbox/testing/servers";
import { Kysely, SqliteDialect } from "kysely";
import Libsql from "libsql";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "./database.js";
import { openSqlite } from "./sqlite.js";
import { SqliteConnection } from "./sqlite-connection.js";

interface Tables {
  log: { entry: string };
}

let directory: string;
const opened: Database[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "signalbox-sqlite-"));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close()));
  rmSync(directory, { recursive: true });
});

async function open(options: { path?: string; busyTimeoutMs?: number } = {}): Promise<Database> {
  const database = await openSqlite({ path: join(directory, "signalbox.db"), ...options });
  opened.push(database);
  await database.run("create table if not exists log (entry text)");
  return database;
}

const insert = (database: Database, entry: string) => database.run("insert into log (entry) values (?)", [entry]);
const entries = async (database: Database): Promise<string[]> =>
  (await database.run<{ entry: string }>("select entry from log")).rows.map((row) => row.entry);
const pragma = async (database: Database, text: string): Promise<unknown> =>
  Object.values((await database.run(`pragma ${text}`)).rows[0] ?? {})[0];

describe("opening", () => {
  test("PF-060 the file is in WAL mode with synchronous FULL, foreign keys and a busy timeout", async () => {
    const database = await open();
    expect(await pragma(database, "journal_mode")).toBe("wal");
    expect(await pragma(database, "synchronous")).toBe(2);
    expect(await pragma(database, "foreign_keys")).toBe(1);
    expect(await pragma(database, "busy_timeout")).toBeGreaterThan(0);
  });

  test("missing folders are made", async () => {
    const path = join(directory, "a", "b", "signalbox.db");
    await open({ path });
    expect(existsSync(path)).toBe(true);
  });

  test("a folder in place of the file is refused by name", async () => {
    await expect(openSqlite({ path: directory })).rejects.toMatchObject({ code: "DATABASE_ACCESS_DENIED" });
  });

  test("a file in place of the folder is refused by name", async () => {
    writeFileSync(join(directory, "file"), "");
    const path = join(directory, "file", "signalbox.db");
    await expect(openSqlite({ path })).rejects.toMatchObject({ code: "DATABASE_ACCESS_DENIED" });
  });

  test("a file that is no database is left alone and called damaged", async () => {
    const path = join(directory, "notes.txt");
    writeFileSync(path, "not a database ".repeat(1000));
    await expect(openSqlite({ path })).rejects.toMatchObject({ code: "DATABASE_CORRUPT", retryable: false });
    expect(statSync(path).size).toBe(15_000);
  });

  test("after closing, the one file holds everything", async () => {
    const database = await open();
    await insert(database, "x");
    await database.close();
    const log = join(directory, "signalbox.db-wal");
    expect(existsSync(log) ? statSync(log).size : 0).toBe(0);
  });
});

describe("another process writes to the file", () => {
  test("a write waits for it, and the event loop goes on", async () => {
    const [database, other] = [await open(), await open()];
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 5);
    const waiting: Promise<unknown>[] = [];
    await other.transaction<Tables, void>(async (transaction) => {
      await transaction.insertInto("log").values({ entry: "first" }).execute();
      // Started from outside of the transaction's context: they belong to somebody else.
      waiting.push(insert(database, "second"), database.runMany("insert into log (entry) values (?)", [["third"]]));
      while (ticks < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    });
    clearInterval(ticking);
    await Promise.all(waiting);
    expect((await entries(database)).sort()).toEqual(["first", "second", "third"]);
  });

  test("a write that waits too long is told that the database is busy", async () => {
    const [database, other] = [await open({ busyTimeoutMs: 50 }), await open()];
    await other.transaction(async (transaction) => {
      await other.run("delete from log", [], transaction);
      const busy = { code: "DATABASE_BUSY", retryable: true };
      await expect(insert(database, "x")).rejects.toMatchObject(busy);
      await expect(database.transaction(async () => {})).rejects.toMatchObject(busy);
      await expect(database.commitTogether(async () => {})).rejects.toMatchObject(busy);
    });
    await insert(database, "y");
    expect(await entries(database)).toEqual(["y"]);
    // What was answered is committed, too: the driver keeps a refused statement active, which holds up later commits.
    expect(await entries(other)).toEqual(["y"]);
    await insert(other, "z");
    expect(await entries(database)).toEqual(["y", "z"]);
  });

  test("a read that found the file locked does not hold on to what it saw", () => {
    const path = join(directory, "rollback-journal.db");
    const other = new Libsql(path);
    other.exec("create table log (entry text)");
    const connection = new SqliteConnection(path);
    const count = (): unknown => connection.execute("select count(*) as count from log").rows;
    connection.control("pragma busy_timeout = 5");
    expect(count()).toEqual([{ count: 0 }]);
    other.exec("begin exclusive");
    expect(count).toThrowError(expect.objectContaining({ code: "DATABASE_BUSY" }));
    other.exec("commit");
    expect(connection.execute("select entry from log").rows).toEqual([]);
    // A read lock that was left behind would refuse this.
    other.exec("insert into log (entry) values ('new')");
    expect(count()).toEqual([{ count: 1 }]);
    connection.close();
    other.close();
  });

  test("one transaction may wait longer than the others", async () => {
    const [database, other] = [await open({ busyTimeoutMs: 20 }), await open()];
    let patient: Promise<unknown> = Promise.resolve();
    await other.transaction(async (transaction) => {
      await other.run("delete from log", [], transaction);
      patient = database.transaction<Tables, unknown>(
        (own) => own.insertInto("log").values({ entry: "patient" }).execute(),
        { waitMs: 60_000 },
      );
      await new Promise((resolve) => setTimeout(resolve, 200));
    });
    await patient;
    expect(await entries(database)).toEqual(["patient"]);
  });
});

describe("the disk is full", () => {
  test("PF-061 nothing answered is lost, the rest is told, and writing goes on once there is room", async () => {
    const database = await open();
    const pages = Number(await pragma(database, "page_count"));
    await pragma(database, `max_page_count = ${pages + 30}`);
    await expectFullDisk(database, async () => {
      await pragma(database, "max_page_count = 1000000");
    });
  });

  const mountable = canMountSmallDisk();
  test.skipIf(!mountable)("PF-061 the same on a file system without room (needs the right to mount one)", async () => {
    const disk = mountSmallDisk(1024 * 1024);
    try {
      const database = await open({ path: join(disk.path, "signalbox.db") });
      await expectFullDisk(database, async () => disk.resize(64 * 1024 * 1024));
      await database.close();
    } finally {
      disk.unmount();
    }
  });

  async function expectFullDisk(database: Database, makeRoom: () => Promise<void>): Promise<void> {
    const statement = "insert into log (entry) values (?)";
    const text = (index: number): string => `${index} ${"x".repeat(3_000)}`;
    const indexes = Array.from({ length: 400 }, (_, index) => index);
    const outcomes = await Promise.allSettled(
      indexes.map((index) =>
        index % 2 === 0
          ? database.runMany(statement, [[text(index)]])
          : database.commitTogether<Tables, unknown>((transaction) =>
              transaction
                .insertInto("log")
                .values({ entry: text(index) })
                .execute(),
            ),
      ),
    );
    const answered = indexes.filter((index) => outcomes[index]?.status === "fulfilled");
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "DATABASE_FULL", retryable: true });
    // Who was refused left nothing behind either.
    expect(await entries(database)).toEqual(answered.map(text));

    await makeRoom();
    await database.runMany(statement, [["room again"]]);
    expect((await entries(database)).at(-1)).toBe("room again");
    expect(await pragma(database, "integrity_check")).toBe("ok");
  }
});

test("statements run inside a transaction of the application's own Kysely", async () => {
  const database = await open();
  const file = new Libsql(join(directory, "signalbox.db"));
  const own = new Kysely<Tables>({ dialect: new SqliteDialect({ database: file }) });
  const statement = "insert into log (entry) values (?) returning entry";
  await own.transaction().execute(async (transaction) => {
    expect(await database.run(statement, ["a"], transaction)).toEqual({ rows: [{ entry: "a" }], changes: 1 });
    await database.runMany(statement, [["b"], ["c"]], transaction);
  });
  const failing = own.transaction().execute(async (transaction) => {
    await database.run(statement, ["gone"], transaction);
    throw new Error("on purpose");
  });
  await expect(failing).rejects.toThrow("on purpose");
  expect(await entries(database)).toEqual(["a", "b", "c"]);
  await own.destroy();
});

test("a transaction of another database is refused", async () => {
  const [database, other] = [await open(), await open({ path: join(directory, "other.db") })];
  await other.transaction(async (transaction) => {
    const mistaken = database.run("select 1 as one", [], transaction);
    await expect(mistaken).rejects.toMatchObject({ code: "DATABASE_WRONG_HANDLE" });
  });
});

test("transactions of two databases may be inside each other", async () => {
  const [database, other] = [await open(), await open({ path: join(directory, "other.db") })];
  await other.transaction(async () => {
    await database.transaction<Tables, unknown>((transaction) =>
      transaction.insertInto("log").values({ entry: "inner" }).execute(),
    );
  });
  expect(await entries(database)).toEqual(["inner"]);
});

test("more statements than are kept prepared still work", async () => {
  const database = await open();
  for (let index = 0; index < 1_100; index++) {
    const { rows } = await database.run(`select ${index} as value`);
    expect(rows).toEqual([{ value: index }]);
  }
  expect((await database.run("select 0 as value")).rows).toEqual([{ value: 0 }]);
});
