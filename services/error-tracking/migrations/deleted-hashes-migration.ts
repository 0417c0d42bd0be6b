import type { Migration } from "@signalbox/database";
import { sql } from "kysely";

/**
 * Until when events of a hash are dropped: null for ever, else those that were received up to then, as what waited in the
 * queue when their issue was deleted.
 */
export const deletedHashesMigration: Migration = {
  name: "0009_deleted_hashes",
  async up(db) {
    await sql.raw("alter table error_discarded_hashes add column until_ms bigint").execute(db);
  },
};
