import { describe, expect, test } from "vitest";
import type { Items, Tables } from "./items.js";

/** What `as`, `reader` and `run` do with one statement. */
export function describeStatements(items: Items): void {
  describe("statements", () => {
    test("question marks in literals, names and comments are no placeholders", async () => {
      const { rows } = await items.database.run(
        "select label as \"who?\" /* ? */, 'it''s ?' as text from items where label = ? -- ?",
        ["nobody"],
      );
      expect(rows).toEqual([]);
    });

    test("two statements in one are refused", async () => {
      await expect(items.database.run("delete from items; delete from items")).rejects.toMatchObject({
        code: "DATABASE_QUERY_FAILED",
      });
    });

    test("a statement may end in a semicolon", async () => {
      await expect(items.database.run("select label from items; ")).resolves.toMatchObject({ rows: [] });
    });

    test.each(["begin", " BEGIN immediate", "commit", "rollback", "savepoint x", "start transaction"])(
      "%s is refused: transactions are the port's",
      async (statement) => {
        const code = "DATABASE_UNSUPPORTED";
        await expect(items.database.run(statement)).rejects.toMatchObject({ code });
        await expect(items.database.runMany(statement, [[]])).rejects.toMatchObject({ code });
      },
    );

    test("a refused statement says so and leaves the connection usable", async () => {
      await expect(items.database.run("select nothing from nowhere")).rejects.toMatchObject({
        code: "DATABASE_QUERY_FAILED",
        retryable: false,
      });
      await expect(items.labels()).resolves.toEqual([]);
    });

    test("run returns the rows of a returning clause and counts changes", async () => {
      const inserted = await items.database.run<{ id: number; label: string }>(
        "insert into items (label) values (?) returning id, label",
        ["new"],
      );
      expect(inserted.rows).toEqual([{ id: expect.any(Number), label: "new" }]);
      expect(inserted.changes).toBe(1);
      await items.database.run("insert into items (label) values (?)", ["other"]);
      expect((await items.database.run("update items set amount = ?", [1])).changes).toBe(2);
      expect((await items.database.run("delete from items where label = ?", ["absent"])).changes).toBe(0);
    });

    test("the query builder counts what it changed", async () => {
      await items.insert("one");
      await items.insert("two");
      const result = await items.database
        .as<Tables>()
        .updateTable("items")
        .set({ amount: 1 })
        .executeTakeFirstOrThrow();
      expect(result.numUpdatedRows).toBe(2n);
    });

    test("reading sees what was written before, on the writer and beside it", async () => {
      await items.insert("here");
      expect(await items.labels()).toEqual(["here"]);
      expect(await items.labels(items.database.reader<Tables>())).toEqual(["here"]);
    });

    test("the reader refuses to write", async () => {
      await expect(items.insert("x", items.database.reader<Tables>())).rejects.toMatchObject({
        code: "DATABASE_READ_ONLY",
      });
    });

    test("Kysely's own transactions and streams are refused", async () => {
      const own = items.database
        .as<Tables>()
        .transaction()
        .execute(async () => {});
      await expect(own).rejects.toMatchObject({ code: "DATABASE_UNSUPPORTED" });
      const stream = items.database.as<Tables>().selectFrom("items").selectAll().stream();
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
      await items.database.run("delete from strict");
      await items.database.run("insert into strict (id, label) values (1, 'first')");
      await expect(items.database.run(statement)).rejects.toMatchObject({
        code: "DATABASE_CONSTRAINT",
        retryable: false,
        details: { kind },
      });
    });
  });
}
