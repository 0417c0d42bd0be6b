import { randomUUID } from "node:crypto";
import type { Database, MigrationSet } from "@signalbox/database";

/** One process of several that share a PostgreSQL has it at a time. */
export interface Lease {
  /** Takes it, or keeps it for another 20 seconds; whether it is ours now. Rejects when the database is away. */
  take(): Promise<boolean>;
  /** Gives it up, if it is ours, so that another process need not wait for its end. */
  release(): Promise<void>;
}

export const leaseMs = 20_000;

export const leaseMigrations: MigrationSet["migrations"] = [
  {
    name: "0003_leases",
    async up(db) {
      await db.schema
        .createTable("relay_leases")
        .addColumn("name", "text", (column) => column.primaryKey().notNull())
        .addColumn("holder", "text", (column) => column.notNull())
        .addColumn("until", "bigint", (column) => column.notNull())
        .execute();
    },
  },
];

/** The database's own clock: those of the processes may differ. */
const now = "(extract(epoch from clock_timestamp()) * 1000)::bigint";

/** @param database PostgreSQL; a SQLite file belongs to one process anyway */
export function createLease(database: Database, name: string): Lease {
  const holder = randomUUID();
  return {
    async take() {
      const { rows } = await database.run(
        `insert into relay_leases (name, holder, until) values (?, ?, ${now} + ${leaseMs})
          on conflict (name) do update set holder = excluded.holder, until = excluded.until
            where relay_leases.holder = excluded.holder or relay_leases.until < ${now}
          returning name`,
        [name, holder],
      );
      return rows.length > 0;
    },
    async release() {
      await database.run("delete from relay_leases where name = ? and holder = ?", [name, holder]);
    },
  };
}
