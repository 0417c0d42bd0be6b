import type { Database } from "@signalbox/database";

/** The tables of the minimal relay. */
export async function createMinimalTables(database: Database): Promise<void> {
  for (const sql of [
    "create table if not exists events (id text primary key, pubkey text, kind integer, created_at integer, raw text)",
    "create index if not exists events_kind on events (kind, created_at)",
    "create index if not exists events_author on events (pubkey, created_at)",
    "create table if not exists tags (tag text, id text, created_at integer)",
    "create index if not exists tags_tag on tags (tag, created_at)",
  ])
    await database.run(sql);
}
