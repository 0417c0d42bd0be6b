import type { MigrationSet } from "@signalbox/database";
import { type Kysely, sql } from "kysely";

/** What operators did, and the schemas that events were published with. */
export const eventsMigrations: MigrationSet = {
  name: "events",
  migrations: [{ name: "0001_operations_and_schemas", up: createTables }],
};

async function createTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("event_operations")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("actor", "text", (column) => column.notNull())
    .addColumn("subscriber", "text")
    .addColumn("selection", "text")
    .addColumn("reason", "text")
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("matched", "integer", (column) => column.notNull())
    .addColumn("changed", "integer", (column) => column.notNull())
    .addColumn("refused", "integer", (column) => column.notNull())
    .addColumn("error", "text")
    .addColumn("started_at_ms", "bigint", (column) => column.notNull())
    .addColumn("updated_at_ms", "bigint", (column) => column.notNull())
    .addColumn("finished_at_ms", "bigint")
    .execute();
  await sql`create index event_operations_by_time on event_operations (started_at_ms, id)`.execute(db);

  // Which replay raised a letter to which count.
  await db.schema
    .createTable("event_operation_letters")
    .addColumn("operation_id", "text", (column) => column.notNull())
    .addColumn("letter_id", "text", (column) => column.notNull())
    .addColumn("replay_count", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("event_operation_letters_key", ["operation_id", "letter_id"])
    .execute();

  await db.schema
    .createTable("event_schemas")
    .addColumn("type", "text", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .addColumn("schema", "text", (column) => column.notNull())
    .addColumn("seen_at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("event_schemas_key", ["type", "version"])
    .execute();
}
