import { currentContext, withContext } from "@signalbox/kernel";
import { type Generated, type Kysely, sql, type Transaction } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { bytesType, identity, identityType } from "./column-types.js";
import { describeMigrations } from "./contract-migrations.js";
import type { Database } from "./database.js";
import { inTransaction } from "./transaction-scope.js";

/** A new, empty database on the adapter under test. */
export interface DatabaseUnderTest {
  readonly database: Database;
  /** Opens the same data once more, as another process would. */
  openAnother(): Promise<Database>;
  /** Closes everything and removes the data. */
  destroy(): Promise<void>;
}

export interface DatabaseContractOptions {
  readonly name: string;
  create(): Promise<DatabaseUnderTest>;
  /** Promises this adapter does not make. */
  readonly cannot?: readonly "wake other processes"[];
}

interface Tables {
  items: {
    id: Generated<number>;
    label: string;
    amount: number | null;
    data: Uint8Array | null;
    parent: number | null;
  };
}

/** Every promise of the `Database` port and of `migrate`, as tests. An adapter's test file calls it first. */
export function describeDatabase(options: DatabaseContractOptions): void {
  describePort(options);
  describeMigrations(options);
}

function describePort({ name, create, cannot = [] }: DatabaseContractOptions): void {
  describe(`PF-066 ${name} keeps the promises of the database port`, () => {
    let subject: DatabaseUnderTest;
    let database: Database;
    beforeAll(async () => {
      subject = await create();
      database = subject.database;
      await createTables(database);
    });
    afterAll(() => subject.destroy());
    beforeEach(async () => {
      await database.run("delete from items");
    });

    const insert = (label: string, on: Kysely<Tables> = database.as<Tables>()) =>
      on.insertInto("items").values({ label }).execute();
    const labels = async (on: Kysely<Tables> = database.as<Tables>()): Promise<string[]> => {
      const rows = await on.selectFrom("items").select("label").orderBy("id").execute();
      return rows.map((row) => row.label);
    };

    describe("values", () => {
      test.each([
        ["text", "label", 'it\'s “quoted” "and" ünïcode 🧭\n\\'],
        ["empty text", "label", ""],
        ["text that looks like a placeholder", "label", "? $1 :name @x"],
        ["a large integer", "parent", Number.MAX_SAFE_INTEGER],
        ["a negative integer", "parent", -42],
        ["a fraction", "amount", 0.1],
        ["a huge number", "amount", 1e300],
        ["bytes", "data", new Uint8Array([0, 1, 255, 0])],
        ["a part of a buffer", "data", new Uint8Array([9, 9, 7, 8]).subarray(2)],
        ["no bytes", "data", new Uint8Array(0)],
        ["null", "amount", null],
      ])("%s comes back as it was stored", async (_, column, value) => {
        const values = { label: "x", [column]: value };
        const names = Object.keys(values);
        await database.run(
          `insert into items (${names.join(", ")}) values (${names.map(() => "?").join(", ")})`,
          Object.values(values),
        );
        const raw = await database.run(`select ${column} as value from items`);
        expect(raw.rows).toEqual([{ value }]);
        const built = await database.reader<Tables>().selectFrom("items").selectAll().executeTakeFirstOrThrow();
        expect(built).toMatchObject({ [column]: value });
      });

      test("truth values are stored and read as 1 and 0", async () => {
        await database.run("insert into items (label, amount) values (?, ?)", ["yes", true]);
        await database.run("insert into items (label, amount) values (?, ?)", ["no", false]);
        const { rows } = await database.run("select amount, amount > 0 as positive from items order by id");
        expect(rows).toEqual([
          { amount: 1, positive: 1 },
          { amount: 0, positive: 0 },
        ]);
      });

      test("counts and sums are numbers", async () => {
        await database.runMany("insert into items (label, parent) values (?, ?)", [
          ["a", 1],
          ["b", 2n],
        ]);
        const { rows } = await database.run("select count(*) as count, sum(parent) as sum from items");
        expect(rows).toEqual([{ count: 2, sum: 3 }]);
      });

      test.each<[string, unknown]>([
        ["undefined", undefined],
        ["NaN", Number.NaN],
        ["infinity", Number.POSITIVE_INFINITY],
        ["an integer beyond 2^53", 2n ** 60n],
        ["text with NUL", "a\0b"],
        ["a date", new Date(0)],
        ["an object", { a: 1 }],
        ["an array", [1]],
      ])("%s is refused, whichever way it comes", async (_, value) => {
        const statement = "insert into items (label, amount) values ('x', ?)";
        const values = [value] as never[];
        await expect(database.run(statement, values)).rejects.toMatchObject({ code: "DATABASE_INVALID_VALUE" });
        await expect(database.runMany(statement, [[1], values])).rejects.toMatchObject({
          code: "DATABASE_INVALID_VALUE",
        });
        const built = sql`insert into items (label, amount) values ('x', ${value})`.execute(database.as<Tables>());
        await expect(built).rejects.toMatchObject({ code: "DATABASE_INVALID_VALUE" });
        expect(await labels()).toEqual([]);
      });

      test.each([[["a"]], [["a", 1, 2]]])("the wrong number of values is refused: %j", async (values) => {
        const statement = "insert into items (label, amount) values (?, ?)";
        await database.run(statement, ["full", 1]);
        await expect(database.run(statement, values)).rejects.toMatchObject({ code: "DATABASE_INVALID_VALUE" });
        await expect(database.runMany(statement, [values])).rejects.toMatchObject({ code: "DATABASE_INVALID_VALUE" });
        expect(await labels()).toEqual(["full"]);
      });
    });

    describe("statements", () => {
      test("question marks in literals, names and comments are no placeholders", async () => {
        const { rows } = await database.run(
          "select label as \"who?\" /* ? */, 'it''s ?' as text from items where label = ? -- ?",
          ["nobody"],
        );
        expect(rows).toEqual([]);
      });

      test("two statements in one are refused", async () => {
        await expect(database.run("delete from items; delete from items")).rejects.toMatchObject({
          code: "DATABASE_QUERY_FAILED",
        });
      });

      test("a statement may end in a semicolon", async () => {
        await expect(database.run("select label from items; ")).resolves.toMatchObject({ rows: [] });
      });

      test.each(["begin", " BEGIN immediate", "commit", "rollback", "savepoint x", "start transaction"])(
        "%s is refused: transactions are the port's",
        async (statement) => {
          const code = "DATABASE_UNSUPPORTED";
          await expect(database.run(statement)).rejects.toMatchObject({ code });
          await expect(database.runMany(statement, [[]])).rejects.toMatchObject({ code });
        },
      );

      test("a refused statement says so and leaves the connection usable", async () => {
        await expect(database.run("select nothing from nowhere")).rejects.toMatchObject({
          code: "DATABASE_QUERY_FAILED",
          retryable: false,
        });
        await expect(labels()).resolves.toEqual([]);
      });

      test("run returns the rows of a returning clause and counts changes", async () => {
        const inserted = await database.run<{ id: number; label: string }>(
          "insert into items (label) values (?) returning id, label",
          ["new"],
        );
        expect(inserted.rows).toEqual([{ id: expect.any(Number), label: "new" }]);
        expect(inserted.changes).toBe(1);
        await database.run("insert into items (label) values (?)", ["other"]);
        expect((await database.run("update items set amount = ?", [1])).changes).toBe(2);
        expect((await database.run("delete from items where label = ?", ["absent"])).changes).toBe(0);
      });

      test("the query builder counts what it changed", async () => {
        await insert("one");
        await insert("two");
        const result = await database.as<Tables>().updateTable("items").set({ amount: 1 }).executeTakeFirstOrThrow();
        expect(result.numUpdatedRows).toBe(2n);
      });

      test("reading sees what was written before, on the writer and beside it", async () => {
        await insert("here");
        expect(await labels()).toEqual(["here"]);
        expect(await labels(database.reader<Tables>())).toEqual(["here"]);
      });

      test("the reader refuses to write", async () => {
        await expect(insert("x", database.reader<Tables>())).rejects.toMatchObject({ code: "DATABASE_READ_ONLY" });
      });

      test("Kysely's own transactions and streams are refused", async () => {
        const own = database
          .as<Tables>()
          .transaction()
          .execute(async () => {});
        await expect(own).rejects.toMatchObject({ code: "DATABASE_UNSUPPORTED" });
        const stream = database.as<Tables>().selectFrom("items").selectAll().stream();
        await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "DATABASE_UNSUPPORTED" });
      });
    });

    describe("constraints", () => {
      test.each([
        ["unique", "insert into strict (id, label) values (1, 'again')"],
        ["not_null", "insert into strict (id, label) values (2, null)"],
        ["check", "insert into strict (id, label, amount) values (3, 'x', -1)"],
        ["foreign_key", "insert into strict (id, label, parent) values (4, 'x', 99)"],
      ])("a broken %s constraint names its kind", async (kind, statement) => {
        await database.run("delete from strict");
        await database.run("insert into strict (id, label) values (1, 'first')");
        await expect(database.run(statement)).rejects.toMatchObject({
          code: "DATABASE_CONSTRAINT",
          retryable: false,
          details: { kind },
        });
      });
    });

    describe("transaction", () => {
      test("commits what it did and resolves with its value", async () => {
        const value = await database.transaction<Tables, string>(async (transaction) => {
          await insert("a", transaction);
          await insert("b", transaction);
          expect(await labels(transaction)).toEqual(["a", "b"]);
          return "done";
        });
        expect(value).toBe("done");
        expect(await labels(database.reader<Tables>())).toEqual(["a", "b"]);
      });

      test("rolls everything back when it throws, and the error comes out unchanged", async () => {
        const error = new Error("on purpose");
        const failing = database.transaction<Tables, void>(async (transaction) => {
          await insert("a", transaction);
          throw error;
        });
        await expect(failing).rejects.toBe(error);
        expect(await labels()).toEqual([]);
      });

      test("nobody else sees it before the commit, and readers do not wait for it", async () => {
        await database.transaction<Tables, void>(async (transaction) => {
          await insert("hidden", transaction);
          expect(await labels(database.reader<Tables>())).toEqual([]);
        });
      });

      test("nothing of others slips in while it waits, so its rollback takes back only its own", async () => {
        const begun = signal();
        const goOn = signal();
        const first = database.transaction<Tables, void>(async (transaction) => {
          await insert("first", transaction);
          begun.give();
          await goOn.given;
          throw new Error("on purpose");
        });
        await begun.given;
        const others = [
          insert("by itself"),
          database.run("insert into items (label) values ('raw')"),
          database.runMany("insert into items (label) values (?)", [["many"]]),
          database.transaction<Tables, unknown>((transaction) => insert("second", transaction)),
          database.commitTogether<Tables, unknown>((transaction) => insert("together", transaction)),
        ];
        await turns(20);
        goOn.give();
        await expect(first).rejects.toThrow("on purpose");
        await Promise.all(others);
        expect((await labels()).sort()).toEqual(["by itself", "many", "raw", "second", "together"]);
      });

      test("a failed statement fails the transaction, also when its error is caught", async () => {
        const swallowing = database.transaction<Tables, void>(async (transaction) => {
          await insert("a", transaction);
          await database.run("select nothing from nowhere", [], transaction).catch(() => {});
        });
        await expect(swallowing).rejects.toMatchObject({ code: "DATABASE_TRANSACTION_FAILED" });
        expect(await labels()).toEqual([]);
      });

      test("a failed statement that nobody awaited fails it, too", async () => {
        const careless = database.transaction<Tables, void>(async (transaction) => {
          await insert("a", transaction);
          database.run("select nothing from nowhere", [], transaction).catch(() => {});
        });
        await expect(careless).rejects.toMatchObject({ code: "DATABASE_TRANSACTION_FAILED" });
        expect(await labels()).toEqual([]);
      });

      test("another transaction inside it is refused at once", async () => {
        await database.transaction<Tables, void>(async (transaction) => {
          const code = "DATABASE_NESTED_TRANSACTION";
          await expect(database.transaction(async () => {})).rejects.toMatchObject({ code });
          await expect(database.commitTogether(async () => {})).rejects.toMatchObject({ code });
          await insert("kept", transaction);
        });
        expect(await labels()).toEqual(["kept"]);
      });

      test("a statement beside it, from inside of it, is refused instead of waiting for ever", async () => {
        await database.transaction<Tables, void>(async (transaction) => {
          const code = "DATABASE_WRONG_HANDLE";
          await expect(insert("x")).rejects.toMatchObject({ code });
          await expect(database.run("select 1 as one")).rejects.toMatchObject({ code });
          await expect(database.runMany("delete from items where id = ?", [[1]])).rejects.toMatchObject({ code });
          await insert("kept", transaction);
        });
        expect(await labels()).toEqual(["kept"]);
      });

      test("work that outlives it is no longer inside", async () => {
        const late = signal();
        let outliving: Promise<unknown> = Promise.resolve();
        await database.transaction(async () => {
          outliving = late.given.then(() => insert("late"));
        });
        late.give();
        await outliving;
        expect(await labels()).toEqual(["late"]);
      });

      test("its handle is of no use once it has ended", async () => {
        const kept: Kysely<Tables>[] = [];
        await database.transaction<Tables, void>(async (transaction) => {
          kept.push(transaction);
        });
        for (const transaction of kept) {
          await expect(insert("late", transaction)).rejects.toMatchObject({ code: "DATABASE_TRANSACTION_ENDED" });
        }
        expect(await labels()).toEqual([]);
      });

      test("one that takes too long is rolled back and the next one runs", async () => {
        const slow = database.transaction<Tables, void>(
          async (transaction) => {
            await insert("slow", transaction);
            await new Promise(() => {});
          },
          { timeoutMs: 200 },
        );
        await expect(slow).rejects.toMatchObject({ code: "DATABASE_TIMEOUT", retryable: true });
        await database.transaction<Tables, unknown>((transaction) => insert("next", transaction));
        expect(await labels()).toEqual(["next"]);
      });

      test("code can ask whether it is inside one", async () => {
        expect(inTransaction()).toBe(false);
        let later: Promise<boolean> = Promise.resolve(true);
        const ended = signal();
        await database.transaction(async () => {
          await turns(2);
          expect(inTransaction()).toBe(true);
          later = ended.given.then(inTransaction);
        });
        ended.give();
        expect(await later).toBe(false);
        expect(await database.commitTogether(async () => inTransaction())).toBe(true);
        expect(inTransaction()).toBe(false);
      });

      test("many at once all commit", async () => {
        const counting = Array.from({ length: 30 }, (_, index) =>
          database.transaction<Tables, unknown>(async (transaction) => {
            await insert(`a${index}`, transaction);
            await turns(1);
            await insert(`b${index}`, transaction);
          }),
        );
        await Promise.all(counting);
        expect(await labels()).toHaveLength(60);
      });
    });

    describe("commitTogether", () => {
      /** Members that are handed in at once; each says how many rows it saw before its own. */
      const crowd = (count: number, work: (index: number, transaction: Transaction<Tables>) => Promise<unknown>) =>
        Array.from({ length: count }, (_, index) =>
          database.commitTogether<Tables, number>(async (transaction) => {
            const seen = await labels(transaction);
            await work(index, transaction);
            return seen.length;
          }),
        );

      test("PF-061 many members share one transaction, in the order of arrival", async () => {
        const visibleOutside: number[] = [];
        const members = crowd(20, async (index, transaction) => {
          await insert(`member ${index}`, transaction);
          visibleOutside.push((await labels(database.reader<Tables>())).length);
        });
        expect(await Promise.all(members)).toEqual(Array.from({ length: 20 }, (_, index) => index));
        // With a transaction for each, every member would have seen one more row outside.
        expect(new Set(visibleOutside).size).toBeLessThan(20);
        expect(await labels()).toEqual(Array.from({ length: 20 }, (_, index) => `member ${index}`));
      });

      test("PF-061 each member is answered after the commit that holds it", async () => {
        const answered = Array.from({ length: 50 }, async (_, index) => {
          const label = `member ${index}`;
          await database.commitTogether<Tables, unknown>((transaction) => insert(label, transaction));
          expect(await labels(database.reader<Tables>())).toContain(label);
        });
        await Promise.all(answered);
      });

      test("PF-061 a failing member is rolled back alone", async () => {
        const error = new Error("on purpose");
        const members = crowd(9, async (index, transaction) => {
          await insert(`member ${index}`, transaction);
          if (index === 0 || index === 4) throw error;
          if (index === 8) await database.run("select nothing from nowhere", [], transaction);
        });
        const outcomes = await Promise.allSettled(members);
        expect(outcomes.map((outcome) => outcome.status === "fulfilled")).toEqual([
          ...[false, true, true, true, false, true, true, true, false],
        ]);
        expect(outcomes[4]).toEqual({ status: "rejected", reason: error });
        expect(outcomes[8]).toMatchObject({ reason: { code: "DATABASE_QUERY_FAILED" } });
        expect(await labels()).toEqual([1, 2, 3, 5, 6, 7].map((index) => `member ${index}`));
      });

      test("PF-061 a member that hides its failed statement fails alone", async () => {
        const members = crowd(3, async (index, transaction) => {
          await insert(`member ${index}`, transaction);
          if (index === 1) {
            await database.run("select nothing from nowhere", [], transaction).catch(() => {});
          }
        });
        const outcomes = await Promise.allSettled(members);
        expect(outcomes[1]).toMatchObject({ reason: { code: "DATABASE_TRANSACTION_FAILED" } });
        expect(await labels()).toEqual(["member 0", "member 2"]);
      });

      test("a member that is alone commits, and fails without a trace", async () => {
        await database.commitTogether<Tables, unknown>((transaction) => insert("kept", transaction));
        const failing = database.commitTogether<Tables, void>(async (transaction) => {
          await insert("gone", transaction);
          throw new Error("on purpose");
        });
        await expect(failing).rejects.toThrow("on purpose");
        expect(await labels()).toEqual(["kept"]);
      });

      test("a member's handle is of no use to it once the next one runs", async () => {
        const handles: Kysely<Tables>[] = [];
        const members = crowd(2, async (index, transaction) => {
          handles.push(transaction);
          const [first] = handles;
          if (index === 1 && first) {
            const late = insert("late", first);
            await expect(late).rejects.toMatchObject({ code: "DATABASE_TRANSACTION_ENDED" });
          }
          await insert(`member ${index}`, transaction);
        });
        await Promise.all(members);
        expect(await labels()).toEqual(["member 0", "member 1"]);
      });

      test("each member runs in the context of its caller", async () => {
        const ids = ["one", "two", "three"];
        const seen = await Promise.all(
          ids.map((correlationId) =>
            withContext({ correlationId }, () =>
              database.commitTogether(async () => {
                await turns(1);
                return currentContext().correlationId;
              }),
            ),
          ),
        );
        expect(seen).toEqual(ids);
      });

      test("it starts again after a pause", async () => {
        for (const label of ["a", "b", "c"]) {
          await database.commitTogether<Tables, unknown>((transaction) => insert(label, transaction));
          await turns(3);
        }
        expect(await labels()).toEqual(["a", "b", "c"]);
      });
    });

    describe("runMany and batch", () => {
      const statement = "insert into items (label) values (?)";

      test("a statement runs once for each row", async () => {
        await database.runMany(
          statement,
          Array.from({ length: 1_500 }, (_, index) => [`row ${index}`]),
        );
        expect(await labels()).toHaveLength(1_500);
      });

      test("no rows are no work", async () => {
        await database.runMany(statement, []);
        expect(await database.batch([{ sql: statement, rows: [] }])).toEqual([{ rows: [], changes: 0 }]);
      });

      test("several statements are one transaction with one result each", async () => {
        const results = await database.batch([
          { sql: statement, rows: [["a"], ["b"]] },
          {
            sql: "update items set amount = ? where label = ? returning label",
            rows: [
              [1, "b"],
              [1, "absent"],
            ],
          },
          { sql: "delete from items where amount is null", rows: [[]] },
        ]);
        expect(results).toEqual([
          { rows: [], changes: 2 },
          { rows: [{ label: "b" }], changes: 1 },
          { rows: [], changes: 1 },
        ]);
        expect(await labels()).toEqual(["b"]);
      });

      test("one bad row undoes all of the call", async () => {
        const rows = [["one"], [null], ["three"]];
        await expect(database.runMany(statement, rows)).rejects.toMatchObject({
          code: "DATABASE_CONSTRAINT",
          details: { kind: "not_null" },
        });
        expect(await labels()).toEqual([]);
      });

      test("PF-061 calls at the same time fail alone, mixed with callbacks", async () => {
        const calls = Array.from({ length: 40 }, (_, index) => {
          if (index % 10 === 3) return database.runMany(statement, [[`half ${index}`], [null]]);
          if (index % 10 === 5) return database.runMany(statement, [["too", "many"]]);
          if (index % 4 === 0)
            return database.commitTogether<Tables, unknown>((transaction) => insert(`member ${index}`, transaction));
          return database.runMany(statement, [[`member ${index}`]]);
        });
        const outcomes = await Promise.allSettled(calls);
        const good = outcomes.flatMap((outcome, index) => (outcome.status === "fulfilled" ? [`member ${index}`] : []));
        expect(good).toHaveLength(32);
        expect(await labels()).toEqual(good);
      });

      test("inside a transaction they stand and fall with it", async () => {
        const failing = database.transaction<Tables, void>(async (transaction) => {
          await database.runMany(statement, [["a"], ["b"]], transaction);
          await database.run(statement, ["c"], transaction);
          expect(await labels(transaction)).toEqual(["a", "b", "c"]);
          throw new Error("on purpose");
        });
        await expect(failing).rejects.toThrow("on purpose");
        expect(await labels()).toEqual([]);
      });

      test("a claim takes each row once, however many claim at a time", async () => {
        await database.runMany(
          statement,
          Array.from({ length: 40 }, (_, index) => [`job ${index}`]),
        );
        const locking = database.engine === "postgres" ? "for update skip locked" : "";
        const claim = async (): Promise<number[]> => {
          const { rows } = await database.run<{ id: number }>(
            `update items set amount = 1 where id in
               (select id from items where amount is null order by id limit ? ${locking}) returning id`,
            [5],
          );
          return rows.map((row) => row.id);
        };
        const taken = (await Promise.all(Array.from({ length: 8 }, claim))).flat();
        expect(new Set(taken).size).toBe(taken.length);
      });
    });

    describe("notify and listen", () => {
      test("listeners of a channel are woken, others are not", async () => {
        const heard: string[] = [];
        const ends = ["a", "b", "c"].map((listener) =>
          database.listen(listener === "c" ? "other" : "jobs", () => heard.push(listener)),
        );
        await settle(heard);
        database.notify("jobs");
        await vi.waitFor(() => expect(new Set(heard)).toEqual(new Set(["a", "b"])));
        for (const end of ends) end();
      });

      test("who has stopped listening is not woken, also when told so twice", async () => {
        const heard: string[] = [];
        const endLeaver = database.listen("jobs", () => heard.push("leaver"));
        const endStayer = database.listen("jobs", () => heard.push("stayer"));
        await settle(heard);
        endLeaver();
        endLeaver();
        database.notify("jobs");
        await vi.waitFor(() => expect(heard).toContain("stayer"));
        expect(heard).not.toContain("leaver");
        endStayer();
      });

      test("a listener that throws keeps nobody else from waking", async () => {
        const heard: string[] = [];
        const ends = [
          database.listen("jobs", () => {
            throw new Error("on purpose");
          }),
          database.listen("jobs", () => heard.push("other")),
        ];
        await settle(heard);
        database.notify("jobs");
        await vi.waitFor(() => expect(heard).toContain("other"));
        for (const end of ends) end();
      });

      test("a listener runs in the context in which it listens", async () => {
        const heard: (string | undefined)[] = [];
        const end = withContext({ correlationId: "listener" }, () =>
          database.listen("jobs", () => heard.push(currentContext().correlationId)),
        );
        await settle(heard);
        withContext({ correlationId: "notifier" }, () => database.notify("jobs"));
        await vi.waitFor(() => expect(heard).toEqual(["listener"]));
        end();
      });

      test("inside a transaction it waits for the commit", async () => {
        const heard: number[] = [];
        const end = database.listen("jobs", () => heard.push(1));
        await settle(heard);
        for (const open of [database.transaction, database.commitTogether]) {
          await open(async () => {
            database.notify("jobs");
            await turns(5);
            expect(heard).toEqual([]);
          });
          await settle(heard);
        }
        end();
      });

      test("a rollback takes it back", async () => {
        const heard: number[] = [];
        const end = database.listen("jobs", () => heard.push(1));
        await settle(heard);
        const failing = database.transaction(async () => {
          database.notify("jobs");
          throw new Error("on purpose");
        });
        await expect(failing).rejects.toThrow("on purpose");
        await turns(10);
        expect(heard).toEqual([]);
        database.notify("jobs");
        await settle(heard);
        end();
      });

      test.skipIf(cannot.includes("wake other processes"))("another process is woken", async () => {
        const another = await subject.openAnother();
        const heard: number[] = [];
        another.listen("jobs", () => heard.push(1));
        await vi.waitFor(
          () => {
            database.notify("jobs");
            expect(heard).not.toEqual([]);
          },
          { timeout: 10_000 },
        );
        await another.close();
      });
    });

    describe("sharing and stopping", () => {
      test("PF-060 writes of two who opened the same data all arrive", async () => {
        const another = await subject.openAnother();
        const writes = Array.from({ length: 40 }, (_, index) => {
          const who = index % 2 === 0 ? database : another;
          return who.transaction<Tables, unknown>(async (transaction) => {
            await insert(`row ${index}`, transaction);
            await turns(1);
          });
        });
        await Promise.all(writes);
        expect(await labels(another.reader<Tables>())).toHaveLength(40);
        await another.close();
      });

      test("it answers a ping", async () => {
        await database.ping();
        await expect(database.ping(AbortSignal.abort(new Error("gave up")))).rejects.toThrow("gave up");
      });

      test("closing lets work under way finish and refuses what comes later", async () => {
        const closing = await subject.openAnother();
        const begun = signal();
        const goOn = signal();
        const underWay = closing.transaction<Tables, void>(async (transaction) => {
          await insert("begun", transaction);
          begun.give();
          await goOn.given;
          await insert("finished", transaction);
        });
        const waiting = closing.commitTogether<Tables, unknown>((transaction) => insert("waiting", transaction));
        await begun.given;
        const closed = Promise.all([closing.close(), closing.close()]);
        const code = "DATABASE_CLOSED";
        await expect(insert("late", closing.as<Tables>())).rejects.toMatchObject({ code });
        await expect(closing.transaction(async () => {})).rejects.toMatchObject({ code });
        goOn.give();
        await Promise.all([underWay, waiting, closed]);
        expect((await labels()).sort()).toEqual(["begun", "finished", "waiting"]);
      });

      test("after closing everything is refused, and closing again is fine", async () => {
        const closed = await subject.openAnother();
        const transactions: Kysely<Tables>[] = [];
        closed.listen("jobs", () => {});
        await closed.transaction<Tables, void>(async (transaction) => void transactions.push(transaction));
        await closed.close();
        await closed.close();
        const code = "DATABASE_CLOSED";
        await expect(closed.run("select 1 as one")).rejects.toMatchObject({ code });
        await expect(closed.runMany("delete from items where id = ?", [[1]])).rejects.toMatchObject({ code });
        await expect(closed.commitTogether(async () => {})).rejects.toMatchObject({ code });
        await expect(labels(closed.reader<Tables>())).rejects.toMatchObject({ code });
        await expect(closed.ping()).rejects.toMatchObject({ code });
        closed.notify("jobs");
      });

      test("closing from inside a transaction is refused instead of waiting for itself", async () => {
        const another = await subject.openAnother();
        await another.transaction(async () => {
          await expect(another.close()).rejects.toMatchObject({ code: "DATABASE_NESTED_TRANSACTION" });
        });
        await another.close();
      });
    });
  });
}

async function createTables(database: Database): Promise<void> {
  const { engine } = database;
  await database
    .as<Tables>()
    .schema.createTable("items")
    .addColumn("id", identityType(engine), identity(engine))
    .addColumn("label", "text", (column) => column.notNull())
    .addColumn("amount", "double precision")
    .addColumn("data", bytesType(engine))
    .addColumn("parent", "bigint")
    .execute();
  await database.run(`create table strict (
    id bigint not null primary key,
    label text not null,
    amount bigint check (amount >= 0),
    parent bigint references strict (id)
  )`);
}

interface Signal {
  readonly given: Promise<void>;
  give(): void;
}

function signal(): Signal {
  let give = (): void => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

/** Lets the event loop turn, so that whatever could go on does. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits for a wake-up and forgets it. The first one comes when listening has begun. */
async function settle(heard: unknown[]): Promise<void> {
  await vi.waitFor(() => expect(heard).not.toEqual([]), { timeout: 10_000 });
  heard.length = 0;
}
