import type { MigrationSet } from "@signalbox/database";
import { sql } from "kysely";
import { laterPeerMigrations, peerMigrations } from "../peers/tables.js";
import { leaseMigrations } from "../sync/lease.js";

export interface RelayTables {
  relay_events: RelayEventsTable;
  relay_event_tags: RelayEventTagsTable;
  relay_deletions: RelayDeletionsTable;
}

export interface RelayEventsTable {
  /** 64 hex digits. */
  id: string;
  pubkey: string;
  kind: number;
  /** Seconds since the Unix epoch, as authors say it. */
  created_at: number;
  /** Key of the `d` tag's value (`indexKey`) for replaceable and addressable kinds, else null. */
  d: string | null;
  expires_at: number | null;
  /** Milliseconds since the Unix epoch. */
  first_seen_at: number;
  source: string;
  peer: string | null;
  correlation_id: string;
  /** 1 when events that refer to it are related to a repository because of it. */
  anchor: number;
  /** The canonical JSON text, served byte for byte. */
  raw: string;
}

/** The first value of every one-letter tag. */
export interface RelayEventTagsTable {
  name: string;
  /** Key of the value (`indexKey`). */
  value: string;
  created_at: number;
  id: string;
  /** Of the event: most filters with a tag name kinds, too, and then most rows need no look at their events. */
  kind: number;
}

/** What authors have removed, whether it was here or not. */
export interface RelayDeletionsTable {
  /** An event id, or the key of an address. */
  target: string;
  /** Only events of this author are meant. */
  pubkey: string;
  /** Versions up to this second are meant; null for an id. */
  until: number | null;
  deletion_id: string;
}

export const relayMigrations: MigrationSet = {
  name: "git-relay",
  migrations: [
    {
      name: "0001_events",
      async up(db, engine) {
        await db.schema
          .createTable("relay_events")
          .addColumn("id", "text", (column) => column.primaryKey().notNull())
          .addColumn("pubkey", "text", (column) => column.notNull())
          .addColumn("kind", "integer", (column) => column.notNull())
          .addColumn("created_at", "bigint", (column) => column.notNull())
          .addColumn("d", "text")
          .addColumn("expires_at", "bigint")
          .addColumn("first_seen_at", "bigint", (column) => column.notNull())
          .addColumn("source", "text", (column) => column.notNull())
          .addColumn("peer", "text")
          .addColumn("correlation_id", "text", (column) => column.notNull())
          .addColumn("anchor", "integer", (column) => column.notNull())
          .addColumn("raw", "text", (column) => column.notNull())
          .execute();
        // Each index ends in the order of results, so that a page is read without sorting.
        const indexes = {
          relay_events_time: ["created_at desc", "id"],
          relay_events_author: ["pubkey", "created_at desc", "id"],
          relay_events_kind: ["kind", "created_at desc", "id"],
          relay_events_author_kind: ["pubkey", "kind", "created_at desc", "id"],
          relay_events_correlation: ["correlation_id"],
        };
        for (const [name, columns] of Object.entries(indexes))
          await db.schema.createIndex(name).on("relay_events").columns(columns).execute();
        await sql`create unique index relay_events_address on relay_events (pubkey, kind, d) where d is not null`.execute(
          db,
        );
        // Units of all processes take turns, so this counts up in the order of commits. A SQLite file has one relay.
        if (engine === "postgres")
          await sql`alter table relay_events add column seq bigserial, add constraint relay_events_seq unique (seq)`.execute(
            db,
          );
        await sql`create index relay_events_expiry on relay_events (expires_at) where expires_at is not null`.execute(
          db,
        );

        // SQLite keeps the table in its primary key; PostgreSQL's primary keys have no descending columns.
        const columns = sql`name text not null, value text not null, created_at bigint not null, id text not null`;
        if (engine === "sqlite")
          await sql`create table relay_event_tags (${columns},
            primary key (name, value, created_at desc, id)) without rowid`.execute(db);
        else {
          await sql`create table relay_event_tags (${columns})`.execute(db);
          await sql`create unique index relay_event_tags_value
            on relay_event_tags (name, value, created_at desc, id)`.execute(db);
        }
        await db.schema.createIndex("relay_event_tags_id").on("relay_event_tags").column("id").execute();

        await db.schema
          .createTable("relay_deletions")
          .addColumn("target", "text", (column) => column.notNull())
          .addColumn("pubkey", "text", (column) => column.notNull())
          .addColumn("until", "bigint")
          .addColumn("deletion_id", "text", (column) => column.notNull())
          .addPrimaryKeyConstraint("relay_deletions_pkey", ["target", "pubkey"])
          .execute();
      },
    },
    ...peerMigrations,
    ...leaseMigrations,
    ...laterPeerMigrations,
    {
      name: "0005_kinds_of_tags",
      async up(db, engine) {
        await sql`alter table relay_event_tags add column kind integer not null default 0`.execute(db);
        await sql`update relay_event_tags set kind =
          (select e.kind from relay_events e where e.id = relay_event_tags.id)`.execute(db);
        // SQLite has the column where it has the key; PostgreSQL keeps it beside the key, too.
        if (engine === "sqlite") return;
        await sql`drop index relay_event_tags_value`.execute(db);
        await sql`create unique index relay_event_tags_value
          on relay_event_tags (name, value, created_at desc, id) include (kind)`.execute(db);
      },
    },
  ],
};
