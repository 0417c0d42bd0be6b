import { createServer } from "node:net";
import { openLine, type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Database } from "./database.js";
import { openPostgres, type PostgresOptions, refuseOldServer } from "./postgres.js";

const needed = requireServers(["postgres"]);

interface Tables {
  log: { entry: string };
}

describe.skipIf(needed.skip)(needed.title("PostgreSQL in trouble"), () => {
  let server: PostgresServer;
  let url: string;
  const opened: Database[] = [];
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    if (server.pid === undefined) await server.restart();
    await Promise.all(opened.splice(0).map((database) => database.close()));
  });

  const open = async (options: Partial<PostgresOptions> = {}): Promise<Database> => {
    url = await server.createDatabase();
    const database = await openPostgres({ url, ...options });
    opened.push(database);
    await database.run("create table log (entry text primary key)");
    return database;
  };
  const insert = (database: Database, entry: string) => database.run("insert into log (entry) values (?)", [entry]);
  const entries = async (database: Database): Promise<string[]> =>
    (await database.run<{ entry: string }>("select entry from log order by entry")).rows.map((row) => row.entry);

  describe("the server hangs", () => {
    test("PF-063 after some seconds of silence everything says that it is unavailable, at once from then on, until it answers", async () => {
      const line = await openLine(server.port);
      onTestFinished(() => line.close());
      const direct = new URL(await server.createDatabase());
      direct.port = String(line.port);
      const database = await openPostgres({ url: direct.href });
      opened.push(database);
      await database.run("create table log (entry text primary key)");
      await insert(database, "before");
      const unavailable = { code: "DATABASE_UNAVAILABLE", retryable: true };
      line.hang(true);
      const waiting = [
        insert(database, "lost"),
        database.ping(),
        database.commitTogether(async () => {}),
        database.transaction<Tables, unknown>((transaction) => transaction.selectFrom("log").selectAll().execute()),
      ];
      // On a busy machine the limit of a connection may come first.
      for (const one of await Promise.allSettled(waiting)) expect(one).toMatchObject({ reason: { retryable: true } });
      // Nothing is sent any more: it would take as long again.
      const sendsNothing = (): Promise<unknown> =>
        Promise.race([
          insert(database, "refused").catch((error: unknown) => error),
          new Promise((resolve) => setImmediate(resolve)),
        ]);
      await expect.poll(sendsNothing, { timeout: 60_000 }).toMatchObject(unavailable);
      line.hang(false);
      await expect.poll(() => insert(database, "after").catch(() => undefined), { timeout: 60_000 }).toBeDefined();
      expect(await entries(database)).toEqual(expect.arrayContaining(["after", "before"]));
    });

    test("a statement that takes long is no silence", async () => {
      const database = await open();
      await expect(database.run("select pg_sleep(6)")).resolves.toBeDefined();
    });
  });

  describe("the server is killed", () => {
    test("everything says that it is unavailable, and works again once the server is back", async () => {
      const database = await open();
      await insert(database, "before");
      await server.kill();
      const unavailable = { code: "DATABASE_UNAVAILABLE", retryable: true };
      await expect(insert(database, "x")).rejects.toMatchObject(unavailable);
      await expect(database.ping()).rejects.toMatchObject(unavailable);
      await expect(database.transaction(async () => {})).rejects.toMatchObject(unavailable);
      await expect(database.commitTogether(async () => {})).rejects.toMatchObject(unavailable);
      await expect(database.runMany("delete from log where entry = ?", [["x"]])).rejects.toMatchObject(unavailable);
      await expect(database.reader<Tables>().selectFrom("log").selectAll().execute()).rejects.toMatchObject(
        unavailable,
      );
      await server.restart();
      await insert(database, "after");
      expect(await entries(database)).toEqual(["after", "before"]);
    });

    test("a transaction under way fails and leaves nothing", async () => {
      const database = await open();
      const broken = database.transaction<Tables, void>(async (transaction) => {
        await transaction.insertInto("log").values({ entry: "lost" }).execute();
        await server.kill();
        await transaction.insertInto("log").values({ entry: "lost too" }).execute();
      });
      await expect(broken).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
      await server.restart();
      expect(await entries(database)).toEqual([]);
    });

    test("a commit whose answer was lost says that its outcome is unknown", async () => {
      const database = await open();
      const broken = database.transaction<Tables, void>(async (transaction) => {
        await transaction.insertInto("log").values({ entry: "perhaps" }).execute();
        await server.kill();
      });
      await expect(broken).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE", details: { outcome: "unknown" } });
    });

    test("PF-061 nothing that was answered is lost, and every member is told", async () => {
      const database = await open();
      const answered: string[] = [];
      const refused: unknown[] = [];
      let killing: Promise<void> | undefined;
      const writers = Array.from({ length: 30 }, async (_, writer) => {
        for (let index = 0; index < 100 && refused.length < 30; index++) {
          const entry = `${writer}/${index}`;
          const write =
            writer % 2 === 0
              ? database.runMany("insert into log (entry) values (?)", [[entry]])
              : database.commitTogether<Tables, unknown>((transaction) =>
                  transaction.insertInto("log").values({ entry }).execute(),
                );
          await write.then(
            () => answered.push(entry),
            (error: unknown) => refused.push(error),
          );
          if (answered.length > 300) killing ??= server.kill();
        }
      });
      await Promise.all(writers);
      await killing;
      await server.restart();
      const written = new Set(await entries(database));
      expect(answered.length).toBeGreaterThan(300);
      expect(answered.filter((entry) => !written.has(entry))).toEqual([]);
      for (const error of refused) expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    });

    test("listeners are woken once it is back, and hear again", async () => {
      const database = await open();
      const other = await openPostgres({ url });
      opened.push(other);
      let heard = 0;
      database.listen("jobs", () => heard++);
      await vi.waitFor(() => expect(heard).toBeGreaterThan(0), { timeout: 10_000 });
      await server.kill();
      heard = 0;
      await server.restart();
      await vi.waitFor(() => expect(heard).toBeGreaterThan(0), { timeout: 30_000 });
      heard = 0;
      await vi.waitFor(
        () => {
          other.notify("jobs");
          expect(heard).toBeGreaterThan(0);
        },
        { timeout: 10_000, interval: 100 },
      );
    });

    test("closing does not hang while it is away", async () => {
      const database = await open();
      database.listen("jobs", () => {});
      await server.kill();
      await database.close();
    });
  });

  test("a server that does not answer is unavailable within the time limit", async () => {
    const database = await open({ connectTimeoutMs: 2_000, statementTimeoutMs: 2_000 });
    await server.kill("SIGSTOP");
    try {
      await expect(database.ping()).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
      const impatient = new AbortController();
      const ping = database.ping(impatient.signal);
      impatient.abort(new Error("gave up"));
      await expect(ping).rejects.toThrow("gave up");
    } finally {
      await server.kill("SIGCONT");
    }
  });

  test("a statement that takes too long is ended", async () => {
    const database = await open({ statementTimeoutMs: 1_000 });
    const slow = database.run("select pg_sleep(60)");
    await expect(slow).rejects.toMatchObject({ code: "DATABASE_TIMEOUT", retryable: true });
    await insert(database, "goes on");
  });

  test("a transaction may be given longer, or no limit", async () => {
    const database = await open({ statementTimeoutMs: 1_000 });
    for (const timeoutMs of [0, 60_000]) {
      await database.transaction(
        async (transaction) => {
          await database.run("select pg_sleep(1.5)", [], transaction);
        },
        { timeoutMs },
      );
    }
  });

  test("waiting for another transaction's lock ends in busy", async () => {
    const database = await open({ lockTimeoutMs: 200 });
    await insert(database, "contended");
    await database.transaction(async (transaction) => {
      await database.run("update log set entry = 'mine' where entry = 'contended'", [], transaction);
      const other = await openPostgres({ url, lockTimeoutMs: 200 });
      opened.push(other);
      const update = other.run("update log set entry = 'yours' where entry = 'contended'");
      await expect(update).rejects.toMatchObject({ code: "DATABASE_BUSY", retryable: true });
    });
  });

  test("two that wait for each other: one is told that it is busy, the other commits", async () => {
    const database = await open();
    await insert(database, "a");
    await insert(database, "b");
    let holding = 0;
    const cross = (first: string, second: string) =>
      database.transaction(async (transaction) => {
        await database.run("select entry from log where entry = ? for update", [first], transaction);
        holding++;
        await vi.waitFor(() => expect(holding).toBe(2), { interval: 5, timeout: 10_000 });
        await database.run("select entry from log where entry = ? for update", [second], transaction);
      });
    const outcomes = await Promise.allSettled([cross("a", "b"), cross("b", "a")]);
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(["fulfilled", "rejected"]);
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    expect(failed).toMatchObject({ reason: { code: "DATABASE_BUSY", retryable: true } });
  });

  test("when all connections are taken, the next caller is told that it is busy", async () => {
    const database = await open({ poolSize: 1, connectTimeoutMs: 2_000 });
    let release = (): void => {};
    const held = database.transaction(
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    await expect(insert(database, "x")).rejects.toMatchObject({ code: "DATABASE_BUSY", retryable: true });
    release();
    await held;
    await insert(database, "y");
  });

  test("a statement prepared before the table changed is prepared anew", async () => {
    const database = await open({ poolSize: 1 });
    const read = () => database.run("select * from log");
    for (let times = 0; times < 3; times++) await read();
    await database.run("alter table log add column more text default 'new'");
    await insert(database, "x");
    await expect(read()).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
    expect((await read()).rows).toEqual([{ entry: "x", more: "new" }]);
  });

  test("a transaction begun by hand does not reach the next caller", async () => {
    const database = await open({ poolSize: 1 });
    await sql`begin`.execute(database.as());
    await insert(database, "kept");
    const seen = await database.reader<Tables>().selectFrom("log").select("entry").execute();
    expect(seen).toEqual([{ entry: "kept" }]);
  });

  test("statements run inside a transaction of the application's own Kysely", async () => {
    const database = await open();
    const own = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }) });
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

  test.each([
    ["a database that does not exist", (valid: string) => valid.replace(/\/[^/]*$/, "/absent")],
    ["a user that does not exist", (valid: string) => valid.replace("signalbox@", "nobody_at_all@")],
  ])("%s is refused by name", async (_, change) => {
    await expect(openPostgres({ url: change(server.url) })).rejects.toMatchObject({
      code: "DATABASE_ACCESS_DENIED",
      retryable: false,
    });
  });

  test("PF-060 acknowledged is durable even where the server's default is not", async () => {
    const database = await open();
    await database.run(`alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = off`);
    const later = await openPostgres({ url });
    opened.push(later);
    const { rows } = await later.run("select current_setting('synchronous_commit') as setting");
    expect(rows).toEqual([{ setting: "on" }]);
  });
});

test("nobody at the address is unavailable", async () => {
  const nobody = await new Promise<number>((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(address && typeof address === "object" ? address.port : 1));
    });
  });
  await expect(openPostgres({ url: `postgres://x@127.0.0.1:${nobody}/x` })).rejects.toMatchObject({
    code: "DATABASE_UNAVAILABLE",
    retryable: true,
  });
});

test("PF-060 a server older than PostgreSQL 13 is refused", () => {
  expect(() => refuseOldServer(120_022)).toThrowError(expect.objectContaining({ code: "DATABASE_SERVER_TOO_OLD" }));
  expect(() => refuseOldServer(130_000)).not.toThrow();
});
