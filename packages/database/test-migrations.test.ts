import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { MigrationSet } from "./migrate.js";
import { openSqlite } from "./sqlite.js";
import { testMigrations } from "./test-migrations.js";

const visits: MigrationSet = {
  name: "visits",
  migrations: [
    {
      name: "0001_visits",
      up: (db) => db.schema.createTable("visits").addColumn("page", "text").execute(),
    },
    {
      name: "0002_visits_have_a_time",
      up: (db) =>
        db.schema
          .alterTable("visits")
          .addColumn("visited_at", "bigint", (column) => column.notNull().defaultTo(0))
          .execute(),
    },
  ],
};

testMigrations(visits, {
  name: "SQLite",
  async create() {
    const directory = mkdtempSync(join(tmpdir(), "signalbox-migrations-"));
    const open = () => openSqlite({ path: join(directory, "signalbox.db") });
    const database = await open();
    return {
      database,
      openAnother: open,
      async destroy() {
        await database.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
  data: {
    "0002_visits_have_a_time": {
      before: async (database) => void (await database.run("insert into visits (page) values (?)", ["/old"])),
      after: async (database) => {
        const { rows } = await database.run("select page, visited_at from visits");
        expect(rows).toEqual([{ page: "/old", visited_at: 0 }]);
      },
    },
  },
});
