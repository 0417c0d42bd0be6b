import type { Engine, Migration } from "@signalbox/database";
import { sql } from "kysely";

/**
 * How much of the quotas is used, what the instance decides for itself, and what stands beside the ledger. Times are
 * milliseconds since the epoch, hours and days their number since the epoch.
 */
export const quotasMigration: Migration = {
  name: "0006_quotas",
  async up(db, engine) {
    for (const statement of statements(engine)) await sql.raw(statement).execute(db);
  },
};

function statements(engine: Engine): readonly string[] {
  const token = engine === "sqlite" ? "text" : 'text collate "C"';
  const keyed = engine === "sqlite" ? " without rowid" : "";
  return [
    `create table error_quota_windows (
      counter ${token} not null,
      slot bigint not null,
      used bigint not null,
      ends_at_ms bigint not null,
      primary key (counter, slot)
    )${keyed}`,
    "alter table project_keys add column allowed_origins text not null default '[]'",
    "create table error_instance_settings (id integer not null primary key, settings text not null)",
    `create table error_sdks (
      project_id bigint not null,
      name ${token} not null,
      version ${token} not null,
      last_seen_ms bigint not null,
      error_codes text not null,
      primary key (project_id, name, version)
    )${keyed}`,
    `create table error_sdk_days (
      project_id bigint not null,
      name ${token} not null,
      version ${token} not null,
      day integer not null,
      kind ${token} not null,
      detail ${token} not null,
      quantity bigint not null,
      primary key (project_id, name, version, day, kind, detail)
    )${keyed}`,
    `create table error_issue_firsts (
      project_id bigint not null,
      issue_id bigint not null,
      kind ${token} not null,
      value ${token} not null,
      primary key (issue_id, kind, value)
    )${keyed}`,
  ];
}
