import type { MigrationSet } from "@signalbox/database";
import { sql } from "kysely";

/** Times are milliseconds since the Unix epoch. */
export interface PeerTables {
  relay_peers: {
    url: string;
    /** A `HealthRecord` as JSON. */
    health: string;
    negentropy_unsupported_until: number | null;
    negentropy_unsupported_reason: string | null;
    /** A `NaughtyEntry` as JSON. */
    naughty: string | null;
  };
  /** Changes of a peer's connection, and what it had to say. */
  relay_peer_transitions: {
    url: string;
    at: number;
    /** Orders what happened in the same millisecond. */
    place: number;
    /** Null: a NOTICE of the peer, whose text is `cause`. */
    from_status: string | null;
    to_status: string | null;
    cause: string;
  };
  relay_certificates: {
    url: string;
    layer: string;
    at: number;
    /** A `Certificate` as JSON. */
    certificate: string;
  };
  /** What the process that syncs sees, for others on the same database. */
  relay_peer_views: {
    url: string;
    at: number;
    /** JSON. */
    view: string;
  };
  /** Announcements and states of peers that were refused. */
  relay_rejected: {
    id: string;
    kind: number;
    pubkey: string;
    /** Key of the identifier (`indexKey`). */
    identifier: string;
    reason: string;
    /** The refusal as the sender would read it. */
    message: string;
    url: string;
    rejected_at: number;
    /** Until then it is not downloaded again. */
    cold_until: number;
    /** Until then `raw` is kept. */
    hot_until: number;
    /** The canonical JSON text, while it may be looked at again without a download. */
    raw: string | null;
  };
}

export const peerMigrations: MigrationSet["migrations"] = [
  {
    name: "0002_peers",
    async up(db) {
      await db.schema
        .createTable("relay_peers")
        .addColumn("url", "text", (column) => column.primaryKey().notNull())
        .addColumn("health", "text", (column) => column.notNull())
        .addColumn("negentropy_unsupported_until", "bigint")
        .addColumn("negentropy_unsupported_reason", "text")
        .execute();
      await db.schema
        .createTable("relay_peer_transitions")
        .addColumn("url", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("place", "bigint", (column) => column.notNull())
        .addColumn("from_status", "text")
        .addColumn("to_status", "text")
        .addColumn("cause", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("relay_peer_transitions_peer")
        .on("relay_peer_transitions")
        .columns(["url", "at desc", "place desc"])
        .execute();
      await db.schema.createIndex("relay_peer_transitions_at").on("relay_peer_transitions").column("at").execute();
      await db.schema
        .createTable("relay_certificates")
        .addColumn("url", "text", (column) => column.notNull())
        .addColumn("layer", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("certificate", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("relay_certificates_peer")
        .on("relay_certificates")
        .columns(["url", "layer", "at desc"])
        .execute();
      await db.schema
        .createTable("relay_peer_views")
        .addColumn("url", "text", (column) => column.primaryKey().notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("view", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("relay_rejected")
        .addColumn("id", "text", (column) => column.primaryKey().notNull())
        .addColumn("kind", "integer", (column) => column.notNull())
        .addColumn("pubkey", "text", (column) => column.notNull())
        .addColumn("identifier", "text", (column) => column.notNull())
        .addColumn("reason", "text", (column) => column.notNull())
        .addColumn("message", "text", (column) => column.notNull())
        .addColumn("url", "text", (column) => column.notNull())
        .addColumn("rejected_at", "bigint", (column) => column.notNull())
        .addColumn("cold_until", "bigint", (column) => column.notNull())
        .addColumn("hot_until", "bigint", (column) => column.notNull())
        .addColumn("raw", "text")
        .execute();
      const indexes = {
        relay_rejected_identifier: ["identifier", "kind", "pubkey"],
        relay_rejected_cold: ["cold_until", "kind"],
        relay_rejected_time: ["rejected_at"],
      };
      for (const [name, columns] of Object.entries(indexes))
        await db.schema.createIndex(name).on("relay_rejected").columns(columns).execute();
      // Few are kept as a whole, and they are looked for each minute.
      await sql`create index relay_rejected_hot on relay_rejected (hot_until, kind) where raw is not null`.execute(db);
    },
  },
];

/** What came after the migrations of others. */
export const laterPeerMigrations: MigrationSet["migrations"] = [
  {
    name: "0004_naughty_peers",
    up: (db) => db.schema.alterTable("relay_peers").addColumn("naughty", "text").execute(),
  },
];
