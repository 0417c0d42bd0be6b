import type { Migration } from "@signalbox/database";
import { sql } from "kysely";

/** Events of an issue that are kept as long as it is. `blob` is null until the event was copied. */
export const pinsMigration: Migration = {
  name: "0008_pins",
  async up(db, engine) {
    const token = engine === "sqlite" ? "text" : 'text collate "C"';
    for (const statement of [
      `create table error_pins (
        project_id bigint not null,
        event_id ${token} not null,
        primary_hash ${token} not null,
        kind text not null,
        timestamp_ms bigint not null,
        received_at_ms bigint not null,
        blob ${token} unique,
        bytes bigint not null,
        primary key (project_id, event_id)
      )`,
      "create index error_pins_by_hash on error_pins (project_id, primary_hash)",
      "create index error_pins_to_copy on error_pins (received_at_ms) where blob is null",
    ])
      await sql.raw(statement).execute(db);
  },
};
