import { type Clock, type Logger, systemClock } from "@signalbox/kernel";
import { type Kysely, sql, type Transaction } from "kysely";
import type { Database, Engine } from "./database.js";
import { DatabaseError } from "./errors.js";

/** One step of a schema. Written once, never changed after a release; what it meets is data of the version before. */
export interface Migration {
  /** Unique in its set, as `0003_add_issue_index`. */
  readonly name: string;
  up(db: Kysely<unknown>, engine: Engine): Promise<void>;
}

/** The migrations of one part of the product, in order. */
export interface MigrationSet {
  readonly name: string;
  readonly migrations: readonly Migration[];
}

export interface AppliedMigration {
  readonly set: string;
  readonly name: string;
}

export interface MigrateOptions {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** How long to wait for another server that migrates. Default: 10 min. */
  readonly waitMs?: number;
}

interface MigrationTables {
  signalbox_migrations: { set_name: string; name: string; position: number; applied_at: number };
}

/** Key of PostgreSQL's advisory lock. Any number does that nobody else uses. */
const lockKey = 712_064_559;

/**
 * Applies what is missing, each migration in a transaction of its own, and resolves with what this call applied.
 * Repeatable; when several servers do it at once, each migration runs once and all of them resolve.
 * @throws {DatabaseError} before anything is changed: `DATABASE_SCHEMA_NEWER`, `DATABASE_SCHEMA_DIVERGED`;
 * `DATABASE_MIGRATION_FAILED` with the schema as it was before that migration.
 */
export async function migrate(
  database: Database,
  sets: readonly MigrationSet[],
  options: MigrateOptions = {},
): Promise<AppliedMigration[]> {
  const clock = options.clock ?? systemClock;
  const locked = <T>(work: (db: Transaction<MigrationTables>) => Promise<T>): Promise<T> =>
    database.transaction(
      async (db: Transaction<MigrationTables>) => {
        await takeLock(db, database.engine);
        return work(db);
      },
      { timeoutMs: 0, waitMs: options.waitMs ?? 600_000 },
    );

  await locked(async (db) => {
    await createTable(db);
    for (const set of sets) await missing(db, set);
  });

  const applied: AppliedMigration[] = [];
  for (const set of sets) {
    for (let more = true; more; ) {
      more = await locked(async (db) => {
        const [next] = await missing(db, set);
        if (!next) return false;
        await apply(db, { engine: database.engine, set, migration: next, nowMs: clock.nowMs() });
        applied.push({ set: set.name, name: next.name });
        options.logger?.info("Database migration applied", { set: set.name, migration: next.name });
        return true;
      });
    }
  }
  return applied;
}

/**
 * Changes nothing and resolves when `migrate` would go through, as far as the records of what was applied tell.
 * @throws {DatabaseError} `DATABASE_SCHEMA_NEWER`, `DATABASE_SCHEMA_DIVERGED`
 */
export async function checkSchema(database: Database, sets: readonly MigrationSet[]): Promise<void> {
  const db = database.reader<MigrationTables>();
  const tables = await db.introspection.getTables();
  if (!tables.some(({ name }) => name === "signalbox_migrations")) return;
  for (const set of sets) await missing(db, set);
}

/** Held until the end of the transaction. SQLite's write transaction is a lock already. */
async function takeLock(db: Transaction<MigrationTables>, engine: Engine): Promise<void> {
  if (engine !== "postgres") return;
  await sql`select pg_advisory_xact_lock(${lockKey})`.execute(db);
}

async function createTable(db: Transaction<MigrationTables>): Promise<void> {
  await db.schema
    .createTable("signalbox_migrations")
    .ifNotExists()
    .addColumn("set_name", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("applied_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("signalbox_migrations_pkey", ["set_name", "name"])
    .execute();
}

async function missing(db: Kysely<MigrationTables>, set: MigrationSet): Promise<readonly Migration[]> {
  const rows = await db
    .selectFrom("signalbox_migrations")
    .select("name")
    .where("set_name", "=", set.name)
    .orderBy("position")
    .execute();
  const known = new Set(set.migrations.map((migration) => migration.name));
  const unknown = rows.map((row) => row.name).filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new DatabaseError("DATABASE_SCHEMA_NEWER", {
      message: `The database was migrated by a newer program than this one: ${set.name} ${unknown.join(", ")}`,
      details: { set: set.name, unknown },
    });
  const misplaced = rows.find((row, index) => row.name !== set.migrations[index]?.name);
  if (misplaced)
    throw new DatabaseError("DATABASE_SCHEMA_DIVERGED", { details: { set: set.name, misplaced: misplaced.name } });
  return set.migrations.slice(rows.length);
}

interface Step {
  readonly engine: Engine;
  readonly set: MigrationSet;
  readonly migration: Migration;
  readonly nowMs: number;
}

async function apply(db: Transaction<MigrationTables>, { engine, set, migration, nowMs }: Step): Promise<void> {
  try {
    // The set's own tables are not known here.
    await migration.up(db as unknown as Kysely<unknown>, engine);
    const position = set.migrations.indexOf(migration);
    await db
      .insertInto("signalbox_migrations")
      .values({ set_name: set.name, name: migration.name, position, applied_at: nowMs })
      .execute();
  } catch (cause) {
    throw new DatabaseError("DATABASE_MIGRATION_FAILED", {
      cause,
      details: { set: set.name, migration: migration.name },
    });
  }
}
