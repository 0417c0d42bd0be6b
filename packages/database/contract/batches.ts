import { describe, expect, test } from "vitest";
import type { Items, Tables } from "./items.js";

/** What `runMany` and `batch` do with many rows. */
export function describeBatches(items: Items): void {
  describe("runMany and batch", () => {
    const statement = "insert into items (label) values (?)";

    test("a statement runs once for each row", async () => {
      await items.database.runMany(
        statement,
        Array.from({ length: 1_500 }, (_, index) => [`row ${index}`]),
      );
      expect(await items.labels()).toHaveLength(1_500);
    });

    test("no rows are no work", async () => {
      await items.database.runMany(statement, []);
      expect(await items.database.batch([{ sql: statement, rows: [] }])).toEqual([{ rows: [], changes: 0 }]);
    });

    test("several statements are one transaction with one result each", async () => {
      const results = await items.database.batch([
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
      expect(await items.labels()).toEqual(["b"]);
    });

    test("one bad row undoes all of the call", async () => {
      const rows = [["one"], [null], ["three"]];
      await expect(items.database.runMany(statement, rows)).rejects.toMatchObject({
        code: "DATABASE_CONSTRAINT",
        details: { kind: "not_null" },
      });
      expect(await items.labels()).toEqual([]);
    });

    test("PF-061 calls at the same time fail alone, mixed with callbacks", async () => {
      const calls = Array.from({ length: 40 }, (_, index) => {
        if (index % 10 === 3) return items.database.runMany(statement, [[`half ${index}`], [null]]);
        if (index % 10 === 5) return items.database.runMany(statement, [["too", "many"]]);
        if (index % 4 === 0)
          return items.database.commitTogether<Tables, unknown>((transaction) =>
            items.insert(`member ${index}`, transaction),
          );
        return items.database.runMany(statement, [[`member ${index}`]]);
      });
      const outcomes = await Promise.allSettled(calls);
      const good = outcomes.flatMap((outcome, index) => (outcome.status === "fulfilled" ? [`member ${index}`] : []));
      expect(good).toHaveLength(32);
      expect(await items.labels()).toEqual(good);
    });

    test("inside a transaction they stand and fall with it", async () => {
      const failing = items.database.transaction<Tables, void>(async (transaction) => {
        await items.database.runMany(statement, [["a"], ["b"]], transaction);
        await items.database.run(statement, ["c"], transaction);
        expect(await items.labels(transaction)).toEqual(["a", "b", "c"]);
        throw new Error("on purpose");
      });
      await expect(failing).rejects.toThrow("on purpose");
      expect(await items.labels()).toEqual([]);
    });

    test("a claim takes each row once, however many claim at a time", async () => {
      await items.database.runMany(
        statement,
        Array.from({ length: 40 }, (_, index) => [`job ${index}`]),
      );
      const locking = items.database.engine === "postgres" ? "for update skip locked" : "";
      const claim = async (): Promise<number[]> => {
        const { rows } = await items.database.run<{ id: number }>(
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
}
