import type { Kysely } from "kysely";
import { describe, expect, test } from "vitest";
import { inTransaction } from "../transaction-scope.js";
import { type Items, signal, type Tables, turns } from "./items.js";

/** What `transaction` keeps together and apart. */
export function describeTransactions(items: Items): void {
  describe("transaction", () => {
    test("commits what it did and resolves with its value", async () => {
      const value = await items.database.transaction<Tables, string>(async (transaction) => {
        await items.insert("a", transaction);
        await items.insert("b", transaction);
        expect(await items.labels(transaction)).toEqual(["a", "b"]);
        return "done";
      });
      expect(value).toBe("done");
      expect(await items.labels(items.database.reader<Tables>())).toEqual(["a", "b"]);
    });

    test("rolls everything back when it throws, and the error comes out unchanged", async () => {
      const error = new Error("on purpose");
      const failing = items.database.transaction<Tables, void>(async (transaction) => {
        await items.insert("a", transaction);
        throw error;
      });
      await expect(failing).rejects.toBe(error);
      expect(await items.labels()).toEqual([]);
    });

    test("nobody else sees it before the commit, and readers do not wait for it", async () => {
      await items.database.transaction<Tables, void>(async (transaction) => {
        await items.insert("hidden", transaction);
        expect(await items.labels(items.database.reader<Tables>())).toEqual([]);
      });
    });

    test("nothing of others slips in while it waits, so its rollback takes back only its own", async () => {
      const begun = signal();
      const goOn = signal();
      const first = items.database.transaction<Tables, void>(async (transaction) => {
        await items.insert("first", transaction);
        begun.give();
        await goOn.given;
        throw new Error("on purpose");
      });
      await begun.given;
      const others = [
        items.insert("by itself"),
        items.database.run("insert into items (label) values ('raw')"),
        items.database.runMany("insert into items (label) values (?)", [["many"]]),
        items.database.transaction<Tables, unknown>((transaction) => items.insert("second", transaction)),
        items.database.commitTogether<Tables, unknown>((transaction) => items.insert("together", transaction)),
      ];
      await turns(20);
      goOn.give();
      await expect(first).rejects.toThrow("on purpose");
      await Promise.all(others);
      expect((await items.labels()).sort()).toEqual(["by itself", "many", "raw", "second", "together"]);
    });

    test("a failed statement fails the transaction, also when its error is caught", async () => {
      const swallowing = items.database.transaction<Tables, void>(async (transaction) => {
        await items.insert("a", transaction);
        await items.database.run("select nothing from nowhere", [], transaction).catch(() => {});
      });
      await expect(swallowing).rejects.toMatchObject({ code: "DATABASE_TRANSACTION_FAILED" });
      expect(await items.labels()).toEqual([]);
    });

    test("a failed statement that nobody awaited fails it, too", async () => {
      const careless = items.database.transaction<Tables, void>(async (transaction) => {
        await items.insert("a", transaction);
        items.database.run("select nothing from nowhere", [], transaction).catch(() => {});
      });
      await expect(careless).rejects.toMatchObject({ code: "DATABASE_TRANSACTION_FAILED" });
      expect(await items.labels()).toEqual([]);
    });

    test("another transaction inside it is refused at once", async () => {
      await items.database.transaction<Tables, void>(async (transaction) => {
        const code = "DATABASE_NESTED_TRANSACTION";
        await expect(items.database.transaction(async () => {})).rejects.toMatchObject({ code });
        await expect(items.database.commitTogether(async () => {})).rejects.toMatchObject({ code });
        await items.insert("kept", transaction);
      });
      expect(await items.labels()).toEqual(["kept"]);
    });

    test("a statement beside it, from inside of it, is refused instead of waiting for ever", async () => {
      await items.database.transaction<Tables, void>(async (transaction) => {
        const code = "DATABASE_WRONG_HANDLE";
        await expect(items.insert("x")).rejects.toMatchObject({ code });
        await expect(items.database.run("select 1 as one")).rejects.toMatchObject({ code });
        await expect(items.database.runMany("delete from items where id = ?", [[1]])).rejects.toMatchObject({ code });
        await items.insert("kept", transaction);
      });
      expect(await items.labels()).toEqual(["kept"]);
    });

    test("work that outlives it is no longer inside", async () => {
      const late = signal();
      let outliving: Promise<unknown> = Promise.resolve();
      await items.database.transaction(async () => {
        outliving = late.given.then(() => items.insert("late"));
      });
      late.give();
      await outliving;
      expect(await items.labels()).toEqual(["late"]);
    });

    test("its handle is of no use once it has ended", async () => {
      const kept: Kysely<Tables>[] = [];
      await items.database.transaction<Tables, void>(async (transaction) => {
        kept.push(transaction);
      });
      for (const transaction of kept) {
        await expect(items.insert("late", transaction)).rejects.toMatchObject({ code: "DATABASE_TRANSACTION_ENDED" });
      }
      expect(await items.labels()).toEqual([]);
    });

    test("one that takes too long is rolled back and the next one runs", async () => {
      const slow = items.database.transaction<Tables, void>(
        async (transaction) => {
          await items.insert("slow", transaction);
          await new Promise(() => {});
        },
        { timeoutMs: 200 },
      );
      await expect(slow).rejects.toMatchObject({ code: "DATABASE_TIMEOUT", retryable: true });
      await items.database.transaction<Tables, unknown>((transaction) => items.insert("next", transaction));
      expect(await items.labels()).toEqual(["next"]);
    });

    test("code can ask whether it is inside one", async () => {
      expect(inTransaction()).toBe(false);
      let later: Promise<boolean> = Promise.resolve(true);
      const ended = signal();
      await items.database.transaction(async () => {
        await turns(2);
        expect(inTransaction()).toBe(true);
        later = ended.given.then(inTransaction);
      });
      ended.give();
      expect(await later).toBe(false);
      expect(await items.database.commitTogether(async () => inTransaction())).toBe(true);
      expect(inTransaction()).toBe(false);
    });

    test("many at once all commit", async () => {
      const counting = Array.from({ length: 30 }, (_, index) =>
        items.database.transaction<Tables, unknown>(async (transaction) => {
          await items.insert(`a${index}`, transaction);
          await turns(1);
          await items.insert(`b${index}`, transaction);
        }),
      );
      await Promise.all(counting);
      expect(await items.labels()).toHaveLength(60);
    });
  });
}
