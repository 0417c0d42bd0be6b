import Libsql from "libsql";
import LibsqlPromise from "libsql/promise";
import type { BatchStatement, RunResult, SqlValue } from "./database.js";
import type { SessionResult } from "./engine.js";
import { DatabaseError } from "./errors.js";
import { sqliteError } from "./sqlite-errors.js";
import { checkCount, checkValues, type PortableStatement, readStatement } from "./statement.js";

interface Prepared extends PortableStatement {
  readonly statement: ReturnType<Libsql.Database["prepare"]>;
  /** Whether it yields rows, as a query or a `returning` clause does. */
  readonly reader: boolean;
  /** The same for a thread of the driver; prepared when it is first needed. */
  apart: Promise<ApartStatement> | undefined;
}

/** What is used of the statements of the driver's other class. */
interface ApartStatement {
  all(values: readonly unknown[]): Promise<unknown[]>;
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

/**
 * A row of values with this much text is written in a thread of the driver. Handing it over and back takes about as long
 * as writing a tenth of that.
 */
const heavyLength = 16_384;

/** One connection to the file. All calls but `commit` and `executeHeavy` are synchronous; all throw `DatabaseError`s. */
export class SqliteConnection {
  readonly #database: Libsql.Database;
  /** Least recently used first. */
  readonly #prepared = new Map<string, Prepared>();
  /** A read that found the file locked and is still active inside the driver. */
  #unfinished: (() => void) | undefined;
  /** What a thread of the driver is at, if anything. Never rejects. */
  #underway: Promise<unknown> | undefined;
  /** Changes where a transaction begins and where it, or what was done since its savepoint, ends. */
  #transaction = 0;

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
    if (sql === "begin immediate" || sql === "rollback" || sql === "rollback to member") this.#transaction++;
    attempt(() => this.#database.exec(sql));
  }

  /**
   * Commits in a thread of the driver: waiting for the disk is most of a commit, and nobody else need wait with it.
   * Nothing else may be asked of the connection until it has resolved.
   */
  async commit(): Promise<void> {
    this.#finish();
    await this.#underway;
    this.#transaction++;
    try {
      // Both of the driver's classes are the same handle behind different methods; only this one's `exec` has a thread.
      await LibsqlPromise.prototype.exec.call(this.#database, "commit");
    } catch (error) {
      throw sqliteError(error);
    }
  }

  /** Moves the write-ahead log into the file as far as nobody needs it, in a thread of the driver and in nobody's way. */
  async checkpoint(): Promise<void> {
    try {
      await LibsqlPromise.prototype.exec.call(this.#database, "pragma wal_checkpoint(passive)");
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
    return together(
      prepared,
      rows.map((values) => this.#run(prepared, values)),
    );
  }

  /** Whether some of the rows are for a thread of the driver: inside of a transaction, for which nobody else can lock the file. */
  isHeavy({ sql, rows }: BatchStatement): boolean {
    return rows.some(hasMuchText) && !this.standsAlone(sql) && this.inTransaction;
  }

  /**
   * As `executeMany` for each statement, with the event loop free while rows with much text are written.
   * @throws {DatabaseError} `DATABASE_TRANSACTION_ENDED` when somebody ended the transaction meanwhile, as a deadline does.
   */
  async executeHeavy(statements: readonly BatchStatement[]): Promise<RunResult[]> {
    const transaction = this.#transaction;
    const results: RunResult[] = [];
    for (const { sql, rows } of statements) {
      const prepared = this.#prepare(sql);
      const ofRows: SqliteResult[] = [];
      for (const values of rows)
        ofRows.push(
          hasMuchText(values) ? await this.#runApart(prepared, values, transaction) : this.#run(prepared, values),
        );
      results.push(together(prepared, ofRows));
    }
    return results;
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

  async #runApart(prepared: Prepared, values: readonly SqlValue[], transaction: number): Promise<SqliteResult> {
    this.#finish();
    checkCount(prepared, values);
    const bound = checkValues(values);
    const assertOpen = (): void => {
      if (this.#transaction !== transaction) throw new DatabaseError("DATABASE_TRANSACTION_ENDED");
    };
    const run = (this.#underway ?? Promise.resolve()).then(async () => {
      assertOpen();
      const statement = await this.#apart(prepared);
      assertOpen();
      return statement.all(bound);
    });
    const settled = run.then(
      () => {},
      () => {},
    );
    this.#underway = settled;
    try {
      const rows = readRows(await run);
      assertOpen();
      if (prepared.reader) return { rows };
      const [row] = this.execute("select changes() as changes").rows;
      return { rows: [], changes: Number(row?.["changes"]) };
    } catch (error) {
      throw sqliteError(error);
    } finally {
      if (this.#underway === settled) this.#underway = undefined;
    }
  }

  /** As for the commit, the driver's other class brings the thread; here it is that of the statement. */
  #apart(prepared: Prepared): Promise<ApartStatement> {
    if (prepared.apart) return prepared.apart;
    const made: Promise<ApartStatement> = LibsqlPromise.prototype.prepare.call(this.#database, prepared.sql);
    prepared.apart = made;
    // What could not be prepared is tried again the next time.
    made.catch(() => (prepared.apart = undefined));
    return made;
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
    const prepared: Prepared = { ...portable, statement, reader: statement.reader, apart: undefined };
    this.#prepared.set(sql, prepared);
    if (this.#prepared.size > maxPreparedStatements) {
      const [oldest] = this.#prepared.keys();
      if (oldest !== undefined) this.#prepared.delete(oldest);
    }
    return prepared;
  }
}

/** What a statement did for all of its rows. */
function together({ reader }: Prepared, results: readonly SqliteResult[]): RunResult {
  const found = reader ? results.flatMap((result) => result.rows) : [];
  const changes = results.reduce((sum, result) => sum + (result.changes ?? 0), 0);
  return { rows: found, changes: reader ? found.length : changes };
}

function hasMuchText(values: readonly SqlValue[]): boolean {
  let length = 0;
  for (const value of values) if (typeof value === "string") length += value.length;
  return length >= heavyLength;
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
