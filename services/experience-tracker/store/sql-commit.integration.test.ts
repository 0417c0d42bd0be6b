import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import type { Checkpoint, ExperienceStore } from "@signalbox/experience";
import { checkpointOf, definitionOf } from "@signalbox/experience/testing";
import { ulid } from "@signalbox/kernel";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { experienceMigrations } from "../migrations.js";
import { createSqlStore, type SqlStoreOptions } from "./sql-store.js";

const definition = definitionOf("checkout");
const startsKey = "checkpoint|checkout|source_code_management|sync_fast|web|start";
const patient = { timeout: 30_000, interval: 20 };

const checkpoint = (correlationId: string, kind: Checkpoint["kind"]): Checkpoint =>
  checkpointOf(definition, {
    correlation_id: correlationId,
    checkpoint: kind,
    client_timestamp: new Date().toISOString(),
  });
const starts = (count: number): Checkpoint[] => Array.from({ length: count }, () => checkpoint(ulid(), "start"));

/** A database of its own; `open` opens it once more, as another process would. */
async function newDatabase(url?: string) {
  const directory = mkdtempSync(join(tmpdir(), "commit-"));
  const databases: Database[] = [];
  const open = async (): Promise<Database> => {
    const database = await openDatabase({ url, path: join(directory, "db") });
    databases.push(database);
    return database;
  };
  const database = await open();
  await migrate(database, [experienceMigrations]);
  onTestFinished(async () => {
    for (const one of databases) await one.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { database, open };
}

function newStore(database: Database, options: Partial<SqlStoreOptions> = {}): ExperienceStore {
  const store = createSqlStore({ database, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** The database, and how often a transaction was begun on it. */
function counting(database: Database): { readonly database: Database; readonly begun: () => number } {
  let begun = 0;
  const proxy = new Proxy(database, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name === "commitTogether" || name === "transaction") begun++;
      return value.bind(target);
    },
  });
  return { database: proxy, begun: () => begun };
}

async function shardsOf(database: Database): Promise<Record<string, number>> {
  const { rows } = await database.run("select shard, value from experience_counters where series_key = ?", [startsKey]);
  return Object.fromEntries(rows.map((row) => [String(row["shard"]), Number(row["value"])]));
}

describe("on SQLite", () => {
  test("XP-386 checkpoints that wait together share a transaction, 256 at most, on disk when it is over", async () => {
    const { database } = await newDatabase();
    const counted = counting(database);
    const store = newStore(counted.database);
    const results = await Promise.all(starts(600).map((start) => store.apply([start])));
    expect(results.flat().every(({ result }) => result === "applied")).toBe(true);
    expect(counted.begun()).toBe(3);
    const { rows } = await database.run("pragma synchronous");
    expect(Object.values(rows[0] ?? {})).toEqual([2]);
  });

  test("XP-385 runs are found by their due time and by their decision through indexes of those that have one", async () => {
    const { database } = await newDatabase();
    const planOf = async (sql: string): Promise<string> => {
      const { rows } = await database.run(`explain query plan ${sql}`);
      return rows.map((row) => String(row["detail"])).join();
    };
    const columns = "tenant, experience_id, correlation_id, run";
    expect(
      await planOf(`select record from experience_runs where due_at_ms is not null and due_at_ms < 1
        order by due_at_ms, ${columns} limit 200`),
    ).toMatch(/^SEARCH experience_runs USING INDEX experience_runs_by_due \(due_at_ms[<>?]+( AND due_at_ms<\?)?\)$/);
    expect(
      await planOf(`select ${columns} from experience_runs where decided_at_ms is not null and decided_at_ms < 1
        order by decided_at_ms`),
    ).toMatch(/^SEARCH experience_runs USING (COVERING )?INDEX experience_runs_by_decision/);
    const store = newStore(database);
    const [open, ended] = starts(2);
    if (!open || !ended) throw new TypeError("two checkpoints");
    await store.apply([open, ended, { ...ended, kind: "end", eventKey: "end", outcome: "success" }]);
    const { rows } = await database.run(
      "select correlation_id, due_at_ms is null as final from experience_runs order by due_at_ms is null",
    );
    expect(rows.map((row) => [row["correlation_id"], Number(row["final"])])).toEqual([
      [open.identity.correlationId, 0],
      [ended.identity.correlationId, 1],
    ]);
    const kept = await database.run("select event_key from experience_run_events order by correlation_id, place");
    expect(kept.rows).toHaveLength(3);
  });

  test("XP-386 of a group, runs, timelines and records are the same however many rows a statement takes", async () => {
    const { database } = await newDatabase();
    const store = newStore(database);
    // With both, groups of 16, 4 and single rows occur in every table.
    const opened = starts(23);
    const group = [
      ...opened,
      ...opened.map((start) => ({ ...start, kind: "end", eventKey: "end", outcome: "success" }) as const),
    ];
    const results = await store.apply(group);
    expect(results.map(({ result }) => result)).toEqual(group.map(() => "applied"));
    for (const { identity, eventKey } of opened) {
      const stored = await store.get(identity);
      expect(stored?.run).toMatchObject({ identity, state: "succeeded", recorded: 2 });
      expect(stored?.timeline.map((entry) => entry.eventKey)).toEqual([eventKey, "end"]);
    }
    const records = (await store.takeOutbox(100)).map(({ record }) => record);
    const ended = records.slice(opened.length);
    expect(records.slice(0, opened.length).map(({ run }) => run.identity)).toEqual(
      opened.map(({ identity }) => identity),
    );
    expect(ended.map(({ kind, run, entry }) => [kind, run.identity, entry?.eventKey])).toEqual(
      opened.flatMap(({ identity }) => [
        ["checkpoint_recorded", identity, "end"],
        ["completed", identity, "end"],
      ]),
    );
    // What a record says of the run is what was true after its own step.
    expect(records[0]?.run.state).toBe("open");
    for (const { run } of ended) expect(run).toEqual((await store.get(run.identity))?.run);
  });

  test("XP-386 more than 10,000 waiting checkpoints are refused, and those that wait are taken", async () => {
    const { database } = await newDatabase();
    const store = newStore(database);
    const waiting = store.apply(starts(10_000));
    await expect(store.apply(starts(1))).rejects.toMatchObject({ code: "backlog_full" });
    expect((await waiting).filter(({ result }) => result === "applied")).toHaveLength(10_000);
    await expect(store.apply(starts(1))).resolves.toMatchObject([{ result: "applied" }]);
  });
});

const needed = requireServers(["postgres"]);
describe.skipIf(needed.skip)(needed.title("on PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  test("XP-386 checkpoints that wait together share a transaction, 256 at most", async () => {
    const { database } = await newDatabase(await server.createDatabase());
    const counted = counting(database);
    const store = newStore(counted.database);
    await Promise.all(starts(600).map((start) => store.apply([start])));
    expect(counted.begun()).toBe(3);
  });

  test("XP-386 each replica sums the counts of a commit into a row of its own, and every replica tells the sum", async () => {
    const { database, open } = await newDatabase(await server.createDatabase());
    const one = newStore(database, { replica: "one" });
    const two = newStore(await open(), { replica: "two" });
    await Promise.all([one.apply(starts(70)), two.apply(starts(30))]);
    expect(await shardsOf(database)).toEqual({ one: 70, two: 30 });
    for (const store of [one, two]) expect((await store.counters()).get(startsKey)).toBe(100);
  });

  test("XP-386 replicas that write the same runs in opposite orders never wait for each other crosswise", async () => {
    const { database, open } = await newDatabase(await server.createDatabase());
    const conflicts = async (): Promise<number> => {
      const { rows } = await database.run("select deadlocks from pg_stat_database where datname = current_database()");
      return Number(rows[0]?.["deadlocks"]);
    };
    const [one, two] = [newStore(database), newStore(await open())];
    for (let round = 0; round < 10; round++) {
      const ids = Array.from({ length: 20 }, () => ulid());
      const [ahead, back] = await Promise.all([
        one.apply(ids.map((id) => checkpoint(id, "start"))),
        two.apply([...ids].reverse().map((id) => checkpoint(id, "end"))),
      ]);
      expect([...ahead, ...back].every(({ result }) => result === "applied")).toBe(true);
    }
    expect((await one.counters()).get("total|checkout|source_code_management|sync_fast|web|false")).toBe(200);
    expect(await conflicts()).toBe(0);
  });

  test("XP-386 the reaper leaves a run alone that another transaction has locked", async () => {
    const { database, open } = await newDatabase(await server.createDatabase());
    const store = newStore(database);
    const [locked, free] = [ulid(), ulid()];
    await store.apply([checkpoint(locked, "start"), checkpoint(free, "start")]);
    await database.run("update experience_runs set due_at_ms = 1");
    await database.run('update experience_runs set record = replace(record, \'"dueMs":\', \'"dueMs":1,"was":\')');
    const other = await open();
    await other.transaction(async (transaction) => {
      await other.run("select run from experience_runs where correlation_id = ? for update", [locked], transaction);
      expect((await store.claimDue(10)).decided.map(({ identity }) => identity.correlationId)).toEqual([free]);
    });
    expect((await store.claimDue(10)).decided.map(({ identity }) => identity.correlationId)).toEqual([locked]);
  });

  test.each(["40001", "40P01"])("XP-386 a commit that ends with %s is tried five times", async (sqlState) => {
    const { database } = await newDatabase(await server.createDatabase());
    const store = newStore(database);
    // A sequence goes on through a rollback.
    await database.run("create sequence tries");
    const failUntil = async (attempt: number): Promise<void> => {
      await database.run("alter sequence tries restart");
      await database.run(`create or replace function conflict() returns trigger as 'begin
        if nextval(''tries'') < ${attempt} then raise exception using errcode = ''${sqlState}''; end if;
        return new;
      end' language plpgsql`);
    };
    const tries = async (): Promise<number> =>
      Number((await database.run("select last_value from tries")).rows[0]?.["last_value"]);
    await failUntil(5);
    await database.run(`create trigger conflict before insert on experience_run_events
      for each statement execute function conflict()`);
    await expect(store.apply(starts(1))).resolves.toMatchObject([{ result: "applied" }]);
    expect(await tries()).toBe(5);
    await failUntil(6);
    await expect(store.apply(starts(1))).rejects.toMatchObject({ code: "state_store_unavailable" });
    expect(await tries()).toBe(5);
    expect((await store.counters()).get(startsKey)).toBe(1);
  });

  test("XP-386 two transactions that do wait for each other crosswise end, and the checkpoint is taken", async () => {
    const { database, open } = await newDatabase(await server.createDatabase());
    const store = newStore(database, { replica: "one" });
    const id = ulid();
    await store.apply([checkpoint(id, "start")]);
    const other = await open();
    let end: Promise<unknown> | undefined;
    await other
      .transaction(async (transaction) => {
        await other.run("select value from experience_counters where shard = 'one' for update", [], transaction);
        end = store.apply([checkpoint(id, "end")]);
        await expect.poll(() => waitingLocks(database), patient).toBe(1);
        await other.run("select run from experience_runs for update", [], transaction);
      })
      // PostgreSQL chooses whom it gives up.
      .catch(() => {});
    expect(await end).toMatchObject([{ result: "applied", run: { state: "succeeded" } }]);
  });
});

async function waitingLocks(database: Database): Promise<number> {
  const { rows } = await database.run("select count(*) as waiting from pg_locks where not granted");
  return Number(rows[0]?.["waiting"]);
}
