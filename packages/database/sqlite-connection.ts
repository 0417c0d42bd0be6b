import Libsql from "libsql";
import type { RunResult, SqlValue } from "./database.js";
import type { SessionResult } from "./engine.js";
import { sqliteError } from "./sqlite-errors.js";
import { checkCount, checkValues, type PortableStatement, readStatement } from "./statement.js";

interface Prepared extends PortableStatement {
  readonly statement: ReturnType<Libsql.Database["prepare"]>;
  /** Whether it yields rows, as a query or a `returning` clause does. */
  readonly reader: boolean;
}

const maxPreparedStatements = 500;

/** One connection to the file; every call is synchronous and throws `DatabaseError`s. */
export class SqliteConnection {
  readonly #database: Libsql.Database;
  /** Least recently used first. */
  readonly #prepared = new Map<string, Prepared>();

  constructor(path: string) {
    this.#database = attempt(() => new Libsql(path));
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  execute(sql: string, values: readonly unknown[] = []): SessionResult {
    const prepared = this.#prepare(sql);
    checkCount(prepared, values);
    const bound = checkValues(values);
    return attempt(() => {
      if (prepared.reader) return { rows: readRows(prepared.statement.all(bound)) };
      const { changes, lastInsertRowid } = prepared.statement.run(bound);
      return { rows: [], changes, insertId: BigInt(lastInsertRowid) };
    });
  }

  /** Runs one statement for each row of values. */
  executeMany(sql: string, rows: readonly (readonly SqlValue[])[]): RunResult {
    const prepared = this.#prepare(sql);
    const { statement, reader } = prepared;
    const found: Record<string, unknown>[] = [];
    let changes = 0;
    for (const values of rows) {
      checkCount(prepared, values);
      const bound = checkValues(values);
      attempt(() => {
        if (reader) found.push(...readRows(statement.all(bound)));
        else changes += statement.run(bound).changes;
      });
    }
    return { rows: found, changes: reader ? found.length : changes };
  }

  close(): void {
    // A statement that is still referenced would keep the file open behind the closed connection.
    this.#prepared.clear();
    attempt(() => this.#database.close());
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
