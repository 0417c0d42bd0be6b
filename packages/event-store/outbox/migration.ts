import type { Engine } from "@signalbox/database";
import { type Kysely, sql } from "kysely";

/** What was published inside transactions and is not in the transport yet. */
export async function createOutbox(db: Kysely<unknown>, engine: Engine): Promise<void> {
  await db.schema
    .createTable("event_outbox")
    .addColumn("seq", engine === "postgres" ? "bigserial" : "integer", (column) => column.primaryKey())
    .addColumn("id", "text", (column) => column.notNull())
    .addColumn("subscriber", "text", (column) => column.notNull())
    .addColumn("subscription", "text", (column) => column.notNull())
    .addColumn("event_type", "text", (column) => column.notNull())
    .addColumn("key", "text")
    .addColumn("per_key", "integer", (column) => column.notNull())
    .addColumn("due_at_ms", "bigint", (column) => column.notNull())
    .addColumn("dedup", "text")
    .addColumn("body", "text")
    // 0 pending, 1 being forwarded, or in doubt once its lease is over, 2 forwarded.
    .addColumn("state", "smallint", (column) => column.notNull())
    .addColumn("claim", "bigint")
    .addColumn("lease_until_ms", "bigint", (column) => column.notNull().defaultTo(0))
    // When it was forwarded for the first time, as far as that was tried.
    .addColumn("forwarding_at_ms", "bigint")
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .addColumn("forwarded_at_ms", "bigint")
    .execute();
  await sql`create unique index event_outbox_by_id on event_outbox (id)`.execute(db);
  await sql`create index event_outbox_pending on event_outbox (seq) where state < 2`.execute(db);
  await sql`create index event_outbox_by_key on event_outbox (subscriber, key, seq) where state < 2`.execute(db);
  await sql`create index event_outbox_forwarded on event_outbox (forwarded_at_ms) where state = 2`.execute(db);
  await sql`create index event_dedup_by_expiry on event_dedup (expires_at_ms)`.execute(db);
}
