import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type Clock, type Logger, type Metrics, noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { type ConnectionProvider, type Dialect, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";
import { createCheckpointer } from "./checkpointer.js";
import { createDatabase } from "./create-database.js";
import type { BatchStatement, Database, RunResult } from "./database.js";
import type { BatchOutcome, Session } from "./engine.js";
import { DatabaseError } from "./errors.js";
import { Lease } from "./lease.js";
import { createLocalChannels } from "./local-channels.js";
import { isBusy, SqliteConnection } from "./sqlite-connection.js";
import { createTurnstile } from "./turnstile.js";

export interface SqliteOptions {
  /** File of the database; it and its directory are created when missing. */
  readonly path: string;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  /** How long a write waits for another process that writes to the same file. Default: 5 s. */
  readonly busyTimeoutMs?: number;
  /** How long the callback of a transaction may take. Default: 30 s. */
  readonly transactionTimeoutMs?: number;
}

const maxWaitingWriters = 10_000;
const cacheKib = 16_384;
/** A commit that makes the log longer than this moves it into the file itself. Half a second of writing is far less. */
const longestLogPages = 16_384;

/**
 * A SQLite file in WAL mode with `synchronous=FULL` and foreign keys. Several processes may open the same file:
 * their writes take turns, reads go on beside them. The file system must be local.
 */
export async function openSqlite(options: SqliteOptions): Promise<Database> {
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const busyTimeoutMs = options.busyTimeoutMs ?? 5_000;
  const retryWhileBusy = createBusyRetry(clock);

  makeDirectory(dirname(options.path));
  const connections: SqliteConnection[] = [];
  const open = async (purpose: "read" | "write"): Promise<SqliteConnection> => {
    const connection = new SqliteConnection(options.path);
    connections.push(connection);
    await retryWhileBusy(() => configure(connection, purpose), busyTimeoutMs);
    return connection;
  };
  const openAll = async () => ({ writer: await open("write"), reader: await open("read"), mover: await open("read") });
  const { writer, reader, mover } = await openAll().catch((error: unknown) => {
    for (const connection of connections) connection.close();
    throw error;
  });

  const turnstile = createTurnstile();
  const checkpointer = createCheckpointer({
    checkpoint: () => mover.checkpoint(),
    enter: () => turnstile.enter(),
    logger,
  });
  const channels = createLocalChannels(logger);
  const shared = { retryWhileBusy, busyTimeoutMs, logger, onCommit: checkpointer.noteCommit };
  const readSession = createSession({ ...shared, connection: reader, purpose: "read" }, () => {});
  const readers: ConnectionProvider = { provideConnection: (consumer) => consumer(new Lease(reader, readSession)) };

  return createDatabase(
    {
      engine: "sqlite",
      dialect: sqliteDialect,
      maxGroupMs: 10,
      async acquire() {
        if (turnstile.waiting >= maxWaitingWriters)
          throw new DatabaseError("DATABASE_BUSY", { message: "Too many writes wait for the database." });
        const leave = await turnstile.enter();
        return createSession({ ...shared, connection: writer, purpose: "write" }, leave);
      },
      reader: readers,
      nativeSql: (sql) => sql,
      notify: channels.notify,
      listen(channel, onNotify) {
        const end = channels.listen(channel, onNotify);
        channels.notify(channel);
        return end;
      },
      async ping() {
        await readSession.query("select 1", []);
      },
      async close() {
        channels.close();
        await checkpointer.close();
        mover.close();
        reader.close();
        moveLogIntoFile(writer, logger);
        writer.close();
      },
    },
    { clock, metrics: options.metrics ?? noMetrics, transactionTimeoutMs: options.transactionTimeoutMs ?? 30_000 },
  );
}

/** Kysely's SQLite dialect without its driver: connections, queueing and transactions are this package's. */
const sqliteDialect: Dialect = {
  createAdapter: () => new SqliteAdapter(),
  createQueryCompiler: () => new SqliteQueryCompiler(),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createDriver() {
    throw new DatabaseError("DATABASE_UNSUPPORTED");
  },
};

/** So that a stopped server leaves everything in the one file. Whoever opens it next would do it as well. */
function moveLogIntoFile(connection: SqliteConnection, logger: Logger): void {
  try {
    connection.control("pragma wal_checkpoint(truncate)");
  } catch (error) {
    logger.debug("The database's log was not moved into its file", { error });
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    throw new DatabaseError("DATABASE_ACCESS_DENIED", { cause, message: `The folder ${path} cannot be made.` });
  }
}

function configure(connection: SqliteConnection, purpose: "read" | "write"): void {
  // Longer waits for another process happen outside of the driver, which would hold the event loop.
  connection.control("pragma busy_timeout = 10");
  connection.control("pragma journal_mode = wal");
  const { rows } = connection.execute("pragma journal_mode");
  if (!JSON.stringify(rows).includes("wal"))
    throw new DatabaseError("DATABASE_UNSUPPORTED", {
      message: "SQLite has no write-ahead log here. The file must be on a local disk.",
    });
  connection.control("pragma synchronous = full");
  connection.control(`pragma wal_autocheckpoint = ${longestLogPages}`);
  connection.control("pragma foreign_keys = on");
  connection.control(`pragma cache_size = -${cacheKib}`);
  if (purpose === "read") connection.control("pragma query_only = on");
}

type BusyRetry = <T>(work: () => T | Promise<T>, waitMs: number) => Promise<T>;

/** Repeats what another process's write kept from starting, with short pauses, for as long as `waitMs`. */
function createBusyRetry(clock: Clock): BusyRetry {
  return async (work, waitMs) => {
    const deadlineMs = clock.monotonicMs() + waitMs;
    for (let pauseMs = 1; ; pauseMs = Math.min(25, pauseMs * 2)) {
      try {
        return await work();
      } catch (error) {
        if (!isBusy(error) || clock.monotonicMs() >= deadlineMs) throw error;
      }
      await clock.sleep(pauseMs);
    }
  };
}

interface SessionOptions {
  readonly connection: SqliteConnection;
  readonly purpose: "read" | "write";
  readonly retryWhileBusy: BusyRetry;
  readonly busyTimeoutMs: number;
  readonly logger: Logger;
  readonly onCommit: () => void;
}

function createSession(options: SessionOptions, leave: () => void): Session {
  const { connection, purpose, retryWhileBusy, busyTimeoutMs, logger, onCommit } = options;
  const rollBackSafely = (): void => {
    try {
      rollBack(connection);
    } catch (error) {
      // The next transaction tries again before it begins.
      logger.warn("A rollback failed", { error });
    }
  };

  /** Inside a transaction the file is ours already; a write outside of one gets its own. */
  const perform = async <T>(work: () => T | Promise<T>, standsAlone: () => boolean): Promise<T> => {
    if (connection.inTransaction) return work();
    if (purpose === "read" || standsAlone()) return retryWhileBusy(work, busyTimeoutMs);
    await retryWhileBusy(() => connection.control("begin immediate"), busyTimeoutMs);
    try {
      const result = await work();
      await connection.commit();
      onCommit();
      return result;
    } catch (error) {
      rollBackSafely();
      throw error;
    }
  };

  return {
    query: (sql, values) =>
      perform(
        () => connection.execute(sql, values),
        () => connection.standsAlone(sql),
      ),
    batch: (statements) =>
      perform(
        () => runBatch(connection, statements),
        () => statements.every((statement) => connection.standsAlone(statement.sql)),
      ),
    async batchApart(batches, mayGoOn) {
      const outcomes: BatchOutcome[] = [];
      for (const batch of batches) {
        if (outcomes.length > 0 && !mayGoOn()) break;
        const outcome = writeApart(connection, batch);
        outcomes.push(outcome);
        if (outcome.kind === "lost") break;
      }
      return outcomes;
    },
    async begin({ waitMs = busyTimeoutMs } = {}) {
      rollBack(connection);
      await retryWhileBusy(() => connection.control("begin immediate"), waitMs);
    },
    async commit() {
      try {
        await connection.commit();
        onCommit();
      } catch (error) {
        rollBackSafely();
        throw error;
      }
    },
    async rollback() {
      rollBackSafely();
    },
    async savepoint() {
      connection.control("savepoint member");
    },
    async releaseSavepoint() {
      connection.control("release member");
    },
    async rollbackToSavepoint() {
      return rollBackToSavepoint(connection);
    },
    leave() {
      // Nothing should be open any more; if it is, it must not take in the next caller's work.
      rollBackSafely();
      leave();
    },
  };
}

/** At once where that is quick, so that nothing comes in between. */
function runBatch(
  connection: SqliteConnection,
  statements: readonly BatchStatement[],
): RunResult[] | Promise<RunResult[]> {
  if (statements.some((statement) => connection.isHeavy(statement))) return connection.executeHeavy(statements);
  return statements.map(({ sql, rows }) => connection.executeMany(sql, rows));
}

function writeApart(connection: SqliteConnection, batch: readonly BatchStatement[]): BatchOutcome {
  try {
    connection.control("savepoint member");
    const results = batch.map((statement) => connection.executeMany(statement.sql, statement.rows));
    connection.control("release member");
    return { kind: "done", results };
  } catch (error) {
    return { kind: rollBackToSavepoint(connection) ? "failed" : "lost", error };
  }
}

function rollBackToSavepoint(connection: SqliteConnection): boolean {
  // A full disk or an I/O error makes SQLite end the whole transaction by itself.
  if (!connection.inTransaction) return false;
  connection.control("rollback to member");
  connection.control("release member");
  return true;
}

/** Does nothing outside of a transaction. */
function rollBack(connection: SqliteConnection): void {
  if (connection.inTransaction) connection.control("rollback");
}
