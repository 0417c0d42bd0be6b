import type { MigrationSet } from "@signalbox/database";
import type { Kysely } from "kysely";

/** What the JetStream transport keeps in the database, beside the tables of `eventStoreMigrations`. */
export const jetStreamMigrations: MigrationSet = {
  name: "event_store_jetstream",
  migrations: [
    { name: "0001_notes_and_permits", up: createTables },
    { name: "0002_notes_say_who_is_at_work", up: addWhoIsAtWork },
    { name: "0003_notes_say_what_began", up: addWhatBegan },
  ],
};

async function createTables(db: Kysely<unknown>): Promise<void> {
  // What a message in the stream cannot say, because it never changes: retries in place, hand-backs, bodies that are too
  // large for a message. Most messages have none.
  await db.schema
    .createTable("event_jetstream_notes")
    .addColumn("message_id", "text", (column) => column.primaryKey())
    .addColumn("subscriber", "text", (column) => column.notNull())
    .addColumn("stream_seq", "bigint")
    // 1: nobody has it, though the consumer counts it as handed out.
    .addColumn("waiting", "smallint", (column) => column.notNull().defaultTo(0))
    // 1: the server has handed it out before.
    .addColumn("delivered", "smallint", (column) => column.notNull().defaultTo(0))
    .addColumn("due_at_ms", "bigint", (column) => column.notNull())
    // Times it was handed out and came back in good order.
    .addColumn("returned", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("crashes_alone", "integer", (column) => column.notNull().defaultTo(0))
    // The time it was handed out after which it ran alone.
    .addColumn("alone_at", "integer")
    // Null: as in the message.
    .addColumn("attempts", "integer")
    .addColumn("progress", "text")
    .addColumn("body", "text")
    .addColumn("updated_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex("event_jetstream_notes_waiting")
    .on("event_jetstream_notes")
    .columns(["subscriber", "waiting"])
    .execute();
  await db.schema
    .createIndex("event_jetstream_notes_by_age")
    .on("event_jetstream_notes")
    .columns(["updated_at_ms"])
    .execute();

  // How many deliveries of a subscriber with a total limit each process runs.
  await db.schema
    .createTable("event_jetstream_permits")
    .addColumn("subscriber", "text", (column) => column.notNull())
    .addColumn("holder", "text", (column) => column.notNull())
    .addColumn("held", "integer", (column) => column.notNull())
    .addColumn("expires_at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("event_jetstream_permits_pkey", ["subscriber", "holder"])
    .execute();
}

async function addWhoIsAtWork(db: Kysely<unknown>): Promise<void> {
  const notes = "event_jetstream_notes";
  // Whoever took it up after it had come back has it at least so long.
  await db.schema.alterTable(notes).addColumn("held_until_ms", "bigint").execute();
  // How often the server had handed it out when it came back.
  await db.schema.alterTable(notes).addColumn("handed_out", "integer").execute();
}

async function addWhatBegan(db: Kysely<unknown>): Promise<void> {
  const notes = "event_jetstream_notes";
  // Crashes in company after it was marked as begun.
  await db.schema
    .alterTable(notes)
    .addColumn("crashes_begun", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  // The time it was handed out after which it is marked so.
  await db.schema.alterTable(notes).addColumn("begun_at", "integer").execute();
}
