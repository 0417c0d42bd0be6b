import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import type { Items, Tables } from "./items.js";

/** Which values are stored, how they come back, and which are refused. */
export function describeValues(items: Items): void {
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
      await items.database.run(
        `insert into items (${names.join(", ")}) values (${names.map(() => "?").join(", ")})`,
        Object.values(values),
      );
      const raw = await items.database.run(`select ${column} as value from items`);
      expect(raw.rows).toEqual([{ value }]);
      const built = await items.database.reader<Tables>().selectFrom("items").selectAll().executeTakeFirstOrThrow();
      expect(built).toMatchObject({ [column]: value });
    });

    test("truth values are stored and read as 1 and 0", async () => {
      await items.database.run("insert into items (label, amount) values (?, ?)", ["yes", true]);
      await items.database.run("insert into items (label, amount) values (?, ?)", ["no", false]);
      const { rows } = await items.database.run("select amount, amount > 0 as positive from items order by id");
      expect(rows).toEqual([
        { amount: 1, positive: 1 },
        { amount: 0, positive: 0 },
      ]);
    });

    test("counts and sums are numbers", async () => {
      await items.database.runMany("insert into items (label, parent) values (?, ?)", [
        ["a", 1],
        ["b", 2n],
      ]);
      const { rows } = await items.database.run("select count(*) as count, sum(parent) as sum from items");
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
      await expect(items.database.run(statement, values)).rejects.toMatchObject({ code: "DATABASE_INVALID_VALUE" });
      await expect(items.database.runMany(statement, [[1], values])).rejects.toMatchObject({
        code: "DATABASE_INVALID_VALUE",
      });
      const built = sql`insert into items (label, amount) values ('x', ${value})`.execute(items.database.as<Tables>());
      await expect(built).rejects.toMatchObject({ code: "DATABASE_INVALID_VALUE" });
      expect(await items.labels()).toEqual([]);
    });

    test.each([[["a"]], [["a", 1, 2]]])("the wrong number of values is refused: %j", async (values) => {
      const statement = "insert into items (label, amount) values (?, ?)";
      await items.database.run(statement, ["full", 1]);
      await expect(items.database.run(statement, values)).rejects.toMatchObject({ code: "DATABASE_INVALID_VALUE" });
      await expect(items.database.runMany(statement, [values])).rejects.toMatchObject({
        code: "DATABASE_INVALID_VALUE",
      });
      expect(await items.labels()).toEqual(["full"]);
    });
  });
}
