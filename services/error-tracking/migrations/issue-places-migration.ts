import type { Migration } from "@signalbox/database";
import { sql } from "kysely";

/** Where an issue happened, for lists, and whether the program let it through. */
export const issuePlacesMigration: Migration = {
  name: "0007_issue_places",
  async up(db) {
    for (const column of ["place_file text", "place_function text"])
      await sql.raw(`alter table error_issues add column ${column} not null default ''`).execute(db);
    await sql.raw("alter table error_issues add column unhandled integer not null default 0").execute(db);
  },
};
