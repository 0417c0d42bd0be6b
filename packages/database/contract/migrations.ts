import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../database.js";
import { type Migration, type MigrationSet, migrate } from "../migrate.js";
import type { DatabaseContractOptions, DatabaseUnderTest } from "./database-under-test.js";

/** What `migrate` promises, on the adapter under test. */
export function describeMigrations({ name, create }: Pick<DatabaseContractOptions, "name" | "create">): void {
  describe(`PF-066 ${name} can be migrated`, () => {
    let subject: DatabaseUnderTest;
    let database: Database;
    beforeEach(async () => {
      subject = await create();
      database = subject.database;
    });
    afterEach(() => subject.destroy());

    test("PF-060 migrations are applied in order, and only once", async () => {
      const sets = [set("one", [addTable("a"), addRow("a")]), set("two", [addTable("b")])];
      expect(await migrate(database, sets)).toEqual([
        { set: "one", name: "add_table_a" },
        { set: "one", name: "add_row_a" },
        { set: "two", name: "add_table_b" },
      ]);
      expect(await migrate(database, sets)).toEqual([]);
      expect(await count(database, "a")).toBe(1);
    });

    test("PF-060 a later version adds its own and keeps the data", async () => {
      await migrate(database, [set("one", [addTable("a"), addRow("a")])]);
      await database.run("insert into a (id) values (7)");
      const applied = await migrate(database, [set("one", [addTable("a"), addRow("a"), addTable("b")])]);
      expect(applied).toEqual([{ set: "one", name: "add_table_b" }]);
      expect(await count(database, "a")).toBe(2);
    });

    test("PF-060 a schema newer than the program is refused before anything is changed", async () => {
      await migrate(database, [set("one", [addTable("a"), addTable("b")])]);
      const older = migrate(database, [set("other", [addTable("c")]), set("one", [addTable("a")])]);
      await expect(older).rejects.toMatchObject({
        code: "DATABASE_SCHEMA_NEWER",
        retryable: false,
        details: { set: "one", unknown: ["add_table_b"] },
      });
      await expect(count(database, "c")).rejects.toMatchObject({ code: "DATABASE_QUERY_FAILED" });
    });

    test("PF-060 a schema of another line of the program is refused", async () => {
      await migrate(database, [set("one", [addTable("b")])]);
      const other = migrate(database, [set("one", [addTable("a"), addTable("b")])]);
      await expect(other).rejects.toMatchObject({ code: "DATABASE_SCHEMA_DIVERGED" });
    });

    test("PF-060 a failing migration leaves nothing half-done and can be repeated", async () => {
      const failing: Migration = {
        name: "add_table_b",
        async up(db) {
          await addTable("b").up(db, database.engine);
          await sql`insert into b (id) values (1)`.execute(db);
          throw new Error("on purpose");
        },
      };
      const attempt = migrate(database, [set("one", [addTable("a"), failing])]);
      await expect(attempt).rejects.toMatchObject({
        code: "DATABASE_MIGRATION_FAILED",
        details: { set: "one", migration: "add_table_b" },
        cause: new Error("on purpose"),
      });
      expect(await count(database, "a")).toBe(0);
      await expect(count(database, "b")).rejects.toMatchObject({ code: "DATABASE_QUERY_FAILED" });
      const repeated = await migrate(database, [set("one", [addTable("a"), addTable("b")])]);
      expect(repeated).toEqual([{ set: "one", name: "add_table_b" }]);
    });

    test("PF-060 several that migrate at once apply each migration once, and all of them end well", async () => {
      const others = [await subject.openAnother(), await subject.openAnother()];
      const sets = [set("one", [addTable("a"), addRow("a"), addRow("a", "again")])];
      const applied = await Promise.all([database, ...others].map((each) => migrate(each, sets)));
      expect(applied.flat()).toHaveLength(3);
      expect(await count(database, "a")).toBe(2);
      for (const other of others) await other.close();
    });
  });
}

function set(name: string, migrations: readonly Migration[]): MigrationSet {
  return { name, migrations };
}

function addTable(table: string): Migration {
  return {
    name: `add_table_${table}`,
    up: (db) => db.schema.createTable(table).addColumn("id", "bigint").execute(),
  };
}

function addRow(table: string, suffix = ""): Migration {
  return {
    name: `add_row_${table}${suffix}`,
    async up(db) {
      await sql`insert into ${sql.table(table)} (id) values (1)`.execute(db);
    },
  };
}

async function count(database: Database, table: string): Promise<number> {
  const { rows } = await database.run<{ count: number }>(`select count(*) as count from ${table}`);
  return rows[0]?.count ?? 0;
}
