import { type Logger, silentLogger } from "@signalbox/kernel";
import type { Analytics } from "./analytics.js";
import { AnalyticsError } from "./errors.js";

/** Statements of one owner, applied in order and recorded in the engine itself. */
export interface AnalyticsMigrationSet {
  /** Unique over the product, for example `error-tracking`. */
  readonly name: string;
  readonly migrations: readonly AnalyticsMigration[];
}

export interface AnalyticsMigration {
  /** Unique in its set; never renamed, moved or changed once released. */
  readonly name: string;
  /** DDL in the dialect of both engines. Each statement must be harmless when repeated (`IF NOT EXISTS` …). */
  readonly statements: readonly string[];
}

export interface AppliedAnalyticsMigration {
  readonly set: string;
  readonly migration: string;
}

/** A newer row replaces an older one with the same key, so two servers that apply the same migration leave one record. */
const recordTable = `
  CREATE TABLE IF NOT EXISTS analytics_migrations (
    set_name String,
    name String,
    position UInt32,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
  ) ENGINE = ReplacingMergeTree ORDER BY (set_name, name)`;

/**
 * Brings the schema up to date: applies what is not recorded yet, set by set in the order given, and returns it.
 *
 * Idempotent. A crash in between is made good by the next call, and several servers may do it at once: ClickHouse has no
 * transactions for DDL, so a migration may run more than once, which its statements allow.
 * @throws {AnalyticsError} `ANALYTICS_SCHEMA_TOO_NEW` before anything is changed, when a set has a record that this
 * program does not know; otherwise whatever the engine says.
 */
export async function migrateAnalytics(
  analytics: Analytics,
  sets: readonly AnalyticsMigrationSet[],
  options: { readonly logger?: Logger; readonly signal?: AbortSignal } = {},
): Promise<AppliedAnalyticsMigration[]> {
  const { logger = silentLogger, signal } = options;
  await analytics.command(recordTable, { signal });
  const pending: { set: string; position: number; migration: AnalyticsMigration }[] = [];
  for (const set of sets) {
    const recorded = await recordedNames(analytics, set, signal);
    for (const [position, migration] of set.migrations.entries()) {
      if (!recorded.has(migration.name)) pending.push({ set: set.name, position, migration });
    }
  }
  for (const { set, position, migration } of pending) {
    for (const sql of migration.statements) await analytics.command(sql, { signal });
    await analytics.insert("analytics_migrations", [{ set_name: set, name: migration.name, position }], { signal });
    logger.info("analytics migration applied", { migration_set: set, migration: migration.name });
  }
  return pending.map(({ set, migration }) => ({ set, migration: migration.name }));
}

async function recordedNames(
  analytics: Analytics,
  set: AnalyticsMigrationSet,
  signal: AbortSignal | undefined,
): Promise<Set<string>> {
  const rows = await analytics.query<{ name: string }>(
    "SELECT name FROM analytics_migrations FINAL WHERE set_name = {set:String} ORDER BY position",
    { set: set.name },
    { signal },
  );
  const known = new Set(set.migrations.map((migration) => migration.name));
  const unknown = rows.map((row) => row.name).filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new AnalyticsError("ANALYTICS_SCHEMA_TOO_NEW", { details: { migration_set: set.name, unknown } });
  }
  return new Set(rows.map((row) => row.name));
}
