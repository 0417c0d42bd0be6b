import type { Engine, MigrationSet } from "@signalbox/database";
import { ulid } from "@signalbox/kernel";
import { type Kysely, sql } from "kysely";
import { createOutbox } from "../../outbox/migration.js";

/** Everything that the SQL transport and the records beside any transport keep in a database. */
export const eventStoreMigrations: MigrationSet = {
  name: "event_store",
  migrations: [
    { name: "0001_deliveries_and_records", up: createTables },
    { name: "0002_identity", up: createIdentity },
    { name: "0003_dead_letter_notes", up: addNotes },
    { name: "0004_outbox", up: createOutbox },
    { name: "0005_deliveries_say_what_began", up: addBegun },
  ],
};

/** Why an operator discarded a letter. */
async function addNotes(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("event_dead_letters").addColumn("note", "text").execute();
}

/** Only what had begun when its lease ran out may have killed its process. */
async function addBegun(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable("event_deliveries")
    .addColumn("begun", "smallint", (column) => column.notNull().defaultTo(0))
    .execute();
}

/** By this one row a connection tells whether it is on the same database as another one. */
async function createIdentity(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("event_store_identity")
    .addColumn("identity", "text", (column) => column.notNull())
    .execute();
  await sql`insert into event_store_identity (identity) values (${ulid()})`.execute(db);
}

async function createTables(db: Kysely<unknown>, engine: Engine): Promise<void> {
  await createDeliveries(db, engine);
  await db.schema
    .createTable("event_dead_letters")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("subscription", "text", (column) => column.notNull())
    .addColumn("event_type", "text", (column) => column.notNull())
    .addColumn("event", "text", (column) => column.notNull())
    .addColumn("reason", "text", (column) => column.notNull())
    .addColumn("error_class", "text", (column) => column.notNull())
    .addColumn("error_code", "text")
    .addColumn("error_message", "text", (column) => column.notNull())
    .addColumn("error_stack", "text")
    .addColumn("attempts", "text", (column) => column.notNull())
    .addColumn("fingerprint", "text", (column) => column.notNull())
    .addColumn("correlation_id", "text", (column) => column.notNull())
    .addColumn("first_failed_at_ms", "bigint", (column) => column.notNull())
    .addColumn("dead_at_ms", "bigint", (column) => column.notNull())
    .addColumn("replay_count", "integer", (column) => column.notNull())
    .addColumn("last_replayed_at_ms", "bigint")
    .addColumn("state", "text", (column) => column.notNull())
    .execute();
  await index(db, "event_dead_letters_by_age", "event_dead_letters (state, dead_at_ms, id)");
  await index(db, "event_dead_letters_by_group", "event_dead_letters (fingerprint, dead_at_ms)");
  await index(db, "event_dead_letters_by_correlation", "event_dead_letters (correlation_id)");

  // What `context.once` remembers.
  await db.schema
    .createTable("event_inbox")
    .addColumn("subscription", "text", (column) => column.notNull())
    .addColumn("event_id", "text", (column) => column.notNull())
    .addColumn("handled_at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("event_inbox_pkey", ["subscription", "event_id"])
    .execute();
  await index(db, "event_inbox_by_age", "event_inbox (handled_at_ms)");

  // Deduplication locks; `again_*` is the delivery that runs once more after the holder.
  await db.schema
    .createTable("event_dedup")
    .addColumn("lock_name", "text", (column) => column.primaryKey())
    .addColumn("delivery_id", "text", (column) => column.notNull())
    .addColumn("expires_at_ms", "bigint", (column) => column.notNull())
    .addColumn("again", "text")
    .execute();
  await index(db, "event_dedup_by_delivery", "event_dedup (delivery_id)");

  await db.schema
    .createTable("event_pauses")
    .addColumn("subscriber", "text", (column) => column.primaryKey())
    .addColumn("paused_at_ms", "bigint", (column) => column.notNull())
    .execute();

  // Token buckets.
  await db.schema
    .createTable("event_rate_limits")
    .addColumn("subscriber", "text", (column) => column.primaryKey())
    .addColumn("tokens", "double precision", (column) => column.notNull())
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .execute();

  // Blobs with the data of large events, and the deliveries and dead letters that refer to them.
  await db.schema
    .createTable("event_blobs")
    .addColumn("blob", "text", (column) => column.notNull())
    .addColumn("holder", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("event_blobs_pkey", ["blob", "holder"])
    .execute();
  await index(db, "event_blobs_by_holder", "event_blobs (holder)");

  // What waits for subscriptions with a bound. Each process counts in a row of its own, so that none waits for another.
  await db.schema
    .createTable("event_pending")
    .addColumn("subscription", "text", (column) => column.notNull())
    .addColumn("shard", "integer", (column) => column.notNull())
    .addColumn("deliveries", "bigint", (column) => column.notNull())
    .addColumn("bytes", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("event_pending_pkey", ["subscription", "shard"])
    .execute();
}

async function createDeliveries(db: Kysely<unknown>, engine: Engine): Promise<void> {
  await db.schema
    .createTable("event_deliveries")
    // Order of acceptance. SQLite's plain row id is enough: a number is used again only when every later row is gone.
    .addColumn("seq", engine === "postgres" ? "bigserial" : "integer", (column) => column.primaryKey())
    .addColumn("id", "text", (column) => column.notNull())
    .addColumn("subscriber", "text", (column) => column.notNull())
    .addColumn("subscription", "text", (column) => column.notNull())
    .addColumn("event_type", "text", (column) => column.notNull())
    // Forgotten when settled, so that the index by key holds unsettled rows only.
    .addColumn("key", "text")
    // 0 waiting, 1 running, 2 blocked by an earlier one of its key, 3 settled.
    .addColumn("state", "smallint", (column) => column.notNull())
    // Waiting: when it may be claimed. Running: when its lease ends. Otherwise null, and so not in the queue's index.
    .addColumn("available_at_ms", "bigint")
    .addColumn("due_at_ms", "bigint", (column) => column.notNull())
    .addColumn("first_due_at_ms", "bigint", (column) => column.notNull())
    .addColumn("lease", "bigint")
    .addColumn("attempts", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("crashes", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("crashes_alone", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("alone", "smallint", (column) => column.notNull().defaultTo(0))
    .addColumn("settled_at_ms", "bigint")
    // Bytes that count towards the bound of the subscription, null without one.
    .addColumn("bounded_bytes", "bigint")
    .addColumn("lock_name", "text")
    .addColumn("progress", "text")
    .addColumn("body", "text")
    .execute();
  await sql`create unique index event_deliveries_by_id on event_deliveries (id)`.execute(db);
  await index(
    db,
    "event_deliveries_queue",
    "event_deliveries (subscriber, state, available_at_ms, seq) where available_at_ms is not null",
  );
  await index(db, "event_deliveries_by_key", "event_deliveries (subscriber, key, seq) where key is not null");
  await index(db, "event_deliveries_settled", "event_deliveries (settled_at_ms) where settled_at_ms is not null");
}

async function index(db: Kysely<unknown>, name: string, on: string): Promise<void> {
  await sql`create index ${sql.raw(name)} on ${sql.raw(on)}`.execute(db);
}
