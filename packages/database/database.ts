import type { Kysely, QueryExecutor, Transaction } from "kysely";

export type Engine = "sqlite" | "postgres";

/** What a placeholder takes. Booleans are stored as 1 and 0; strings hold no NUL; integers are safe integers. */
export type SqlValue = string | number | bigint | boolean | Uint8Array | null;

/** Any Kysely transaction, whatever its tables. */
export interface TransactionHandle {
  readonly isTransaction: true;
  getExecutor(): QueryExecutor;
}

export interface RunResult<Row = Record<string, unknown>> {
  /** Rows of a query or of a `returning` clause. Truth values read as 1 and 0, bytes as `Uint8Array`. */
  readonly rows: Row[];
  /** Rows inserted, updated or deleted. */
  readonly changes: number;
}

/** One statement with its rows of values; it is executed once for each row. Without placeholders: `rows: [[]]`. */
export interface BatchStatement {
  readonly sql: string;
  readonly rows: readonly (readonly SqlValue[])[];
}

export interface TransactionOptions {
  /** How long the callback may take before the transaction is rolled back. Default: 30 s; 0: no limit. */
  readonly timeoutMs?: number;
  /** SQLite: how long to wait for another process that writes. Default: the database's `busyTimeoutMs`. */
  readonly waitMs?: number;
}

/**
 * The relational port. One instance is shared by everything in a process; all methods may be called concurrently.
 *
 * Durable: what a method has resolved survives `kill -9` of this process and of the server, and a power cut.
 * Portable SQL: statements use `?` placeholders (no `?` operators), one statement per string. Integers read as
 * numbers; there are no integers beyond ±2^53.
 *
 * Every method rejects with a `DatabaseError`: `DATABASE_UNAVAILABLE`, `DATABASE_BUSY`, `DATABASE_TIMEOUT` and
 * `DATABASE_FULL` are worth repeating, `DATABASE_CLOSED` comes after `close()`. Errors thrown by a callback come
 * out unchanged.
 */
export interface Database {
  readonly engine: Engine;

  /** Writes, and reads that must see them. On SQLite the one writer connection, one statement after the other. */
  as<Tables>(): Kysely<Tables>;

  /** Reads that neither wait for a writer nor see its open transaction. Writes are refused: `DATABASE_READ_ONLY`. */
  reader<Tables>(): Kysely<Tables>;

  /**
   * Runs `work` in a transaction of its own and resolves after the commit; rolls back when `work` rejects.
   * SQLite: `BEGIN IMMEDIATE`; everything else that writes waits its turn, first come, first served, and nothing
   * slips in while `work` awaits. PostgreSQL: read committed.
   * A failed statement fails the transaction even when its error is caught.
   * When the connection breaks during the commit itself, `DATABASE_UNAVAILABLE` has `details.outcome: "unknown"`.
   * @throws {DatabaseError} `DATABASE_NESTED_TRANSACTION` inside another one of this database, at once.
   */
  transaction<Tables, T>(
    work: (transaction: Transaction<Tables>) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>;

  /**
   * Runs `work` in a transaction shared with other callers and resolves after the commit that holds it. A quiet
   * database starts at once; under load the members that gathered during a commit share the next one (at most 256).
   * Members run one after the other in the order of arrival. A failing member is rolled back alone; when the commit
   * fails, as with a deferred constraint, every member rejects. `work` should await nothing but statements of its
   * transaction: the others wait for it.
   */
  commitTogether<Tables, T>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T>;

  /** `batch` of one statement without its results. */
  runMany(sql: string, rows: readonly (readonly SqlValue[])[], transaction?: TransactionHandle): Promise<void>;

  /**
   * Runs prepared statements over many rows as one member of the group commit: all or nothing, one result for each
   * statement, rows of `returning` in order. The fast path: no query builder, and on SQLite no waiting in between.
   * With `transaction` the statements run inside it instead. Keep a call below some thousand rows: SQLite holds the
   * event loop for about 10 µs a row. Inside a transaction a row with much text, as `json_each(?)` takes many rows, is
   * written beside the event loop.
   */
  batch(statements: readonly BatchStatement[], transaction?: TransactionHandle): Promise<RunResult[]>;

  /** One statement, prepared and cached, committed by itself or inside `transaction`. */
  run<Row = Record<string, unknown>>(
    sql: string,
    values?: readonly SqlValue[],
    transaction?: TransactionHandle,
  ): Promise<RunResult<Row>>;

  /**
   * Wakes the listeners of a channel: those in this process soon, those in other processes on PostgreSQL only.
   * Inside a transaction it takes effect after the commit, and not at all after a rollback. A wake-up is no message:
   * it may be merged with another or be lost, so listeners also poll.
   */
  notify(channel: string): void;

  /**
   * Calls back after the commit of this database's transaction around the running code, and not at all after a rollback or
   * a crash. False, and no call, when there is no such transaction. The callback must not throw.
   */
  afterCommit(callback: () => void): boolean;

  /**
   * Calls `onNotify` once when listening has begun and after each `notify`; also after a lost connection was found
   * again, since wake-ups may have been missed. Returns the end of listening.
   */
  listen(channel: string, onNotify: () => void): () => void;

  /** Resolves when the database answers a trivial query. */
  ping(signal?: AbortSignal): Promise<void>;

  /** Refuses new work, lets work under way finish, frees everything. A second call joins the first. */
  close(): Promise<void>;
}
