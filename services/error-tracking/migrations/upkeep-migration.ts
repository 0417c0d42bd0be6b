import type { Migration } from "@signalbox/database";
import { sql } from "kysely";

/** When work that one process does for all is due next. */
export const upkeepMigration: Migration = {
  name: "0004_upkeep",
  async up(db) {
    await sql
      .raw("create table error_upkeep (name text not null primary key, next_run_at_ms bigint not null)")
      .execute(db);
  },
};
