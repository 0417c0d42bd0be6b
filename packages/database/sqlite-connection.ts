import Libsql from "libsql";
import LibsqlPromise from "libsql/promise";
import type { RunResult, SqlValue } from "./database.js";
import type { SessionResult } from "./engine.js";
import { DatabaseError } from "./errors.js";
import { sqliteError } from "./sqlite-errors.js";
import { checkCount, checkValues, type PortableStatement, readStatement } from "./statement.js";

interface Prepared extends PortableStatement {
  readonly statement: ReturnType<Libsql.Database["prepare"]>;
  /** Whether it yields rows, as a query or a `returning` clause does. */
  readonly reader: boolean;
}

interface SqliteResult extends SessionResult {
  readonly rows: Record<string, unknown>[];
}

type ControlStatement =
  | "begin immediate"
  | "rollback"
  | "savepoint member"
  | "release member"
  | "rollback to member"
  | `pragma ${string}`;

const maxPreparedStatements = 500;

/** One connection to the file. Every call but `commit` is synchronous; all throw `DatabaseError`s. */
export class SqliteConnection {
  readonly #database: Libsql.Database;
  /** Least recently used first. */
  readonly #prepared = new Map<string, Prepared>();
  /** A read that found the file locked and is still active inside the driver. */
  #unfinished: (() => void) | undefined;

  constructor(path: string) {
    this.#database = attempt(() => new Libsql(path));
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  /**
   * Runs a statement that may find the file locked by another process. The driver forgets to reset a prepared
   * statement after SQLITE_BUSY, and while one is active, SQLite commits no later write of this connection although
   * each of them succeeds. So a transaction begins here, where nothing stays prepared, and writes run inside of one.
   */
  control(sql: ControlStatement): void {
    this.#finish();
    attempt(() => this.#database.exec(sql));
  }

  /**
   * Commits in a thread of the driver: waiting for the disk is most of a commit, and nobody else need wait with it.
   * Nothing else may be asked of the connection until it has resolved.
   */
  async commit(): Promise<void> {
    this.#finish();
    try {
      // Both of the driver's classes are the same handle behind different methods; only this one's `exec` has a thread.
      await LibsqlPromise.prototype.exec.call(this.#database, "commit");
    } catch (error) {
      throw sqliteError(error);
    }
  }

  /** Whether the statement may run outside of a transaction. */
  standsAlone(sql: string): boolean {
    return this.#prepare(sql).standsAlone;
  }

  execute(sql: string, values: readonly unknown[] = []): SqliteResult {
    return this.#run(this.#prepare(sql), values);
  }

  /** Runs one statement for each row of values. */
  executeMany(sql: string, rows: readonly (readonly SqlValue[])[]): RunResult {
    const prepared = this.#prepare(sql);
    const results = rows.map((values) => this.#run(prepared, values));
    const found = prepared.reader ? results.flatMap((result) => result.rows) : [];
    const changes = results.reduce((sum, result) => sum + (result.changes ?? 0), 0);
    return { rows: found, changes: prepared.reader ? found.length : changes };
  }

  close(): void {
    // A statement that is still referenced would keep the file open behind the closed connection.
    this.#prepared.clear();
    attempt(() => this.#database.close());
  }

  #run(prepared: Prepared, values: readonly unknown[]): SqliteResult {
    this.#finish();
    checkCount(prepared, values);
    const bound = checkValues(values);
    try {
      return run(prepared, bound);
    } catch (error) {
      // For a read the same holds as for a write, but it may simply be run again.
      if (isBusy(error)) this.#unfinished = () => void run(prepared, bound);
      throw error;
    }
  }

  #finish(): void {
    this.#unfinished?.();
    this.#unfinished = undefined;
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known) {
      this.#prepared.delete(sql);
      this.#prepared.set(sql, known);
      return known;
    }
    const portable = readStatement(sql);
    const statement = attempt(() => this.#database.prepare(sql));
    const prepared = { ...portable, statement, reader: statement.reader };
    this.#prepared.set(sql, prepared);
    if (this.#prepared.size > maxPreparedStatements) {
      const [oldest] = this.#prepared.keys();
      if (oldest !== undefined) this.#prepared.delete(oldest);
    }
    return prepared;
  }
}

function run({ statement, reader }: Prepared, bound: readonly unknown[]): SqliteResult {
  return attempt(() => {
    if (reader) return { rows: readRows(statement.all(bound)) };
    const { changes, lastInsertRowid } = statement.run(bound);
    return { rows: [], changes, insertId: BigInt(lastInsertRowid) };
  });
}

/** Whether another process was in the way. */
export function isBusy(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === "DATABASE_BUSY";
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw sqliteError(error);
  }
}

/** The driver reads blobs as `ArrayBuffer`; the port promises `Uint8Array`. */
function readRows(rows: unknown[]): Record<string, unknown>[] {
  // The driver makes one plain object for each row.
  const records = rows as Record<string, unknown>[];
  for (const record of records) {
    for (const column in record) {
      const value = record[column];
      if (value instanceof ArrayBuffer) record[column] = new Uint8Array(value);
    }
  }
  return records;
}
