import type { Kysely } from "kysely";
import { describe, expect, test } from "vitest";
import { type Items, signal, type Tables, turns } from "./items.js";

/** Two who opened the same data; the end of one. */
export function describeSharing(items: Items): void {
  describe("sharing and stopping", () => {
    test("PF-060 writes of two who opened the same data all arrive", async () => {
      const another = await items.openAnother();
      const writes = Array.from({ length: 40 }, (_, index) => {
        const who = index % 2 === 0 ? items.database : another;
        return who.transaction<Tables, unknown>(async (transaction) => {
          await items.insert(`row ${index}`, transaction);
          await turns(1);
        });
      });
      await Promise.all(writes);
      expect(await items.labels(another.reader<Tables>())).toHaveLength(40);
      await another.close();
    });

    test("it answers a ping", async () => {
      await items.database.ping();
      await expect(items.database.ping(AbortSignal.abort(new Error("gave up")))).rejects.toThrow("gave up");
    });

    test("closing lets work under way finish and refuses what comes later", async () => {
      const closing = await items.openAnother();
      const begun = signal();
      const goOn = signal();
      const underWay = closing.transaction<Tables, void>(async (transaction) => {
        await items.insert("begun", transaction);
        begun.give();
        await goOn.given;
        await items.insert("finished", transaction);
      });
      const waiting = closing.commitTogether<Tables, unknown>((transaction) => items.insert("waiting", transaction));
      await begun.given;
      const closed = Promise.all([closing.close(), closing.close()]);
      const code = "DATABASE_CLOSED";
      await expect(items.insert("late", closing.as<Tables>())).rejects.toMatchObject({ code });
      await expect(closing.transaction(async () => {})).rejects.toMatchObject({ code });
      goOn.give();
      await Promise.all([underWay, waiting, closed]);
      expect((await items.labels()).sort()).toEqual(["begun", "finished", "waiting"]);
    });

    test("after closing everything is refused, and closing again is fine", async () => {
      const closed = await items.openAnother();
      const transactions: Kysely<Tables>[] = [];
      closed.listen("jobs", () => {});
      await closed.transaction<Tables, void>(async (transaction) => void transactions.push(transaction));
      await closed.close();
      await closed.close();
      const code = "DATABASE_CLOSED";
      await expect(closed.run("select 1 as one")).rejects.toMatchObject({ code });
      await expect(closed.runMany("delete from items where id = ?", [[1]])).rejects.toMatchObject({ code });
      await expect(closed.commitTogether(async () => {})).rejects.toMatchObject({ code });
      await expect(items.labels(closed.reader<Tables>())).rejects.toMatchObject({ code });
      await expect(closed.ping()).rejects.toMatchObject({ code });
      closed.notify("jobs");
    });

    test("closing from inside a transaction is refused instead of waiting for itself", async () => {
      const another = await items.openAnother();
      await another.transaction(async () => {
        await expect(another.close()).rejects.toMatchObject({ code: "DATABASE_NESTED_TRANSACTION" });
      });
      await another.close();
    });
  });
}
