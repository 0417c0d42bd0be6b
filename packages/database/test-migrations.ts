import { describe, expect, test } from "vitest";
import type { DatabaseContractOptions } from "./contract/database-under-test.js";
import type { Database } from "./database.js";
import { type MigrationSet, migrate } from "./migrate.js";

/** What one migration meets and what must have become of it. */
export interface MigrationData {
  /** Writes data as the version before left it. */
  before(database: Database): Promise<void>;
  /** Expects the data as the new version reads it. */
  after(database: Database): Promise<void>;
}

export interface TestMigrationsOptions extends Pick<DatabaseContractOptions, "name" | "create"> {
  /** By name of the migration; every one but the first needs an entry. */
  readonly data: Readonly<Record<string, MigrationData>>;
}

/** Tests each migration of a set on data of the version before it. Call it once for each engine. */
export function testMigrations(set: MigrationSet, { name, create, data }: TestMigrationsOptions): void {
  describe(`migrations of ${set.name} on ${name}`, () => {
    test("PF-060 every migration but the first has data to meet", () => {
      const needed = set.migrations.slice(1).map((migration) => migration.name);
      const first = set.migrations.slice(0, 1).map((migration) => migration.name);
      expect(Object.keys(data).filter((migration) => !first.includes(migration))).toEqual(needed);
    });

    set.migrations.forEach((migration, index) => {
      test(`PF-060 ${migration.name} migrates data of the version before`, async () => {
        const subject = await create();
        try {
          await migrate(subject.database, [{ ...set, migrations: set.migrations.slice(0, index) }]);
          await data[migration.name]?.before(subject.database);
          await migrate(subject.database, [{ ...set, migrations: set.migrations.slice(0, index + 1) }]);
          await data[migration.name]?.after(subject.database);
        } finally {
          await subject.destroy();
        }
      });
    });
  });
}
