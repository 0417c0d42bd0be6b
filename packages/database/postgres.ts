import { Socket } from "node:net";
import {
  type Clock,
  createPulse,
  errorMessage,
  type Logger,
  type Metrics,
  noMetrics,
  type Pulse,
  silentLogger,
  systemClock,
} from "@signalbox/kernel";
import { type Dialect, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from "kysely";
import pg from "pg";
import { createDatabase } from "./create-database.js";
import type { Database } from "./database.js";
import type { Session } from "./engine.js";
import { DatabaseError } from "./errors.js";
import { Lease } from "./lease.js";
import { createPostgresChannels } from "./postgres-channels.js";
import { postgresError } from "./postgres-errors.js";
import { createPostgresSession, createStatementRegistry } from "./postgres-session.js";
import { readStatement } from "./statement.js";

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?sslmode=…` */
  readonly url: string;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  /** Connections that write; as many again may read. Default: 10. */
  readonly poolSize?: number;
  /** How long to wait for a connection. Default: 5 s. */
  readonly connectTimeoutMs?: number;
  /** How long one statement may take. Default: 30 s. */
  readonly statementTimeoutMs?: number;
  /** How long a statement may wait for another transaction's lock. Default: 10 s. */
  readonly lockTimeoutMs?: number;
  /** How long the callback of a transaction may take. Default: 30 s. */
  readonly transactionTimeoutMs?: number;
}

const oldestVersion = 130_000;

/** How much later than the server the client gives up on a statement: only when the server is silent. */
const silenceMs = 5_000;

/**
 * PostgreSQL 13 or newer. A lost server is no reason to open again: work fails with `DATABASE_UNAVAILABLE` until it
 * is back.
 * @throws {DatabaseError} `DATABASE_UNAVAILABLE`, `DATABASE_ACCESS_DENIED`, `DATABASE_SERVER_TOO_OLD`
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const statements = createStatementRegistry();
  const sockets = new Set<Socket>();
  const pulse = createPulse({
    ask: (signal) => askForLife(options, signal),
    onSilent(cause) {
      logger.warn("The database does not answer: calls fail at once until it does", { error: cause });
      // Whoever waits learns by this that nothing will come.
      for (const socket of sockets) socket.destroy(new Error("the database server is silent"));
    },
    onBack: () => logger.info("The database answers again"),
  });
  const openSocket = (): Socket => {
    const socket = new Socket();
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return socket;
  };
  const writers = createPool(options, logger, "write", openSocket);
  const readers = createPool(options, logger, "read", openSocket);

  const acquireFrom = async (pool: pg.Pool): Promise<Session> =>
    createPostgresSession(await connect(pool, pulse), statements, pulse);

  const channels = createPostgresChannels({
    connection: connectionOf(options),
    async send(sql, values) {
      const session = await acquireFrom(writers);
      await session.query(sql, values).finally(() => session.leave());
    },
    logger,
    clock,
  });

  const close = async (): Promise<void> => {
    pulse.close();
    await channels.close();
    // A silent server does not keep the process from stopping.
    await Promise.race([Promise.all([writers.end(), readers.end()]), clock.sleep(silenceMs)]);
  };

  try {
    await checkServer(await acquireFrom(writers), logger);
  } catch (error) {
    await close();
    throw error;
  }

  return createDatabase(
    {
      engine: "postgres",
      dialect: postgresDialect,
      maxGroupMs: 50,
      acquire: () => acquireFrom(writers),
      reader: {
        async provideConnection(consumer) {
          const session = await acquireFrom(readers);
          try {
            return await consumer(new Lease(readers, session));
          } finally {
            session.leave();
          }
        },
      },
      nativeSql: (sql) => readStatement(sql).numbered,
      notify: channels.notify,
      listen: channels.listen,
      async ping() {
        const session = await acquireFrom(readers);
        await session.query("select 1", []).finally(() => session.leave());
      },
      close,
    },
    { clock, metrics: options.metrics ?? noMetrics, transactionTimeoutMs: options.transactionTimeoutMs ?? 30_000 },
  );
}

/** Kysely's PostgreSQL dialect without its driver: connections and transactions are this package's. */
const postgresDialect: Dialect = {
  createAdapter: () => new PostgresAdapter(),
  createQueryCompiler: () => new PostgresQueryCompiler(),
  createIntrospector: (db) => new PostgresIntrospector(db),
  createDriver() {
    throw new DatabaseError("DATABASE_UNSUPPORTED");
  },
};

function connectionOf({ url, connectTimeoutMs = 5_000 }: PostgresOptions): pg.ClientConfig {
  return { connectionString: url, connectionTimeoutMillis: connectTimeoutMs, application_name: "signalbox" };
}

function createPool(
  options: PostgresOptions,
  logger: Logger,
  purpose: "read" | "write",
  stream: () => Socket,
): pg.Pool {
  const { statementTimeoutMs = 30_000, lockTimeoutMs = 10_000, transactionTimeoutMs = 30_000 } = options;
  const pool = new pg.Pool({
    ...connectionOf(options),
    stream,
    max: options.poolSize ?? 10,
    keepAlive: true,
    pipeline: true,
    query_timeout: statementTimeoutMs + silenceMs,
    types: { getTypeParser },
    // Set here and not in the start-up packet, where connection poolers refuse them.
    async onConnect(client) {
      await client.query(`
        set statement_timeout = ${statementTimeoutMs};
        set lock_timeout = ${lockTimeoutMs};
        set idle_in_transaction_session_timeout = ${transactionTimeoutMs + silenceMs};
        set default_transaction_read_only = ${purpose === "read" ? "on" : "off"};
        select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`);
    },
  });
  // An error of a connection that does nothing has no caller; without a listener it would end the process.
  pool.on("error", (error) => logger.info("An idle database connection was lost", { error }));
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/** What the driver says when a connection of a full pool did not come free in time. */
const poolTimeout = "timeout exceeded when trying to connect";

async function connect(pool: pg.Pool, pulse: Pulse): Promise<pg.PoolClient> {
  if (pulse.isSilent) throw new DatabaseError("DATABASE_UNAVAILABLE", { message: "The database server is silent" });
  pulse.began();
  try {
    const client = await pool.connect();
    pulse.ended(false);
    return client;
  } catch (error) {
    pulse.ended(false);
    throw errorMessage(error) === poolTimeout
      ? new DatabaseError("DATABASE_BUSY", { cause: error })
      : postgresError(error);
  }
}

/** Whatever the server says to a connection of its own is a sign of life, also that it has no room for one. */
async function askForLife(options: PostgresOptions, signal: AbortSignal): Promise<void> {
  const socket = new Socket();
  const client = new pg.Client({ ...connectionOf(options), stream: () => socket });
  client.on("error", () => {});
  const giveUp = (): void => void socket.destroy();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await client.connect();
    await client.query("select 1");
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", giveUp);
    socket.destroy();
  }
}

async function checkServer(session: Session, logger: Logger): Promise<void> {
  try {
    const { rows } = await session.query(
      "select current_setting('server_version_num')::int as version, current_setting('fsync') as fsync",
      [],
    );
    for (const row of rows) {
      if (typeof row !== "object" || row === null) continue;
      refuseOldServer("version" in row ? Number(row.version) : 0);
      if ("fsync" in row && row.fsync !== "on")
        logger.warn("The database server runs with fsync off: a power cut loses acknowledged data");
    }
  } finally {
    session.leave();
  }
}

/**
 * @param version as in `server_version_num`: 130004 is 13.4
 * @throws {DatabaseError} `DATABASE_SERVER_TOO_OLD`
 */
export function refuseOldServer(version: number): void {
  if (version < oldestVersion) throw new DatabaseError("DATABASE_SERVER_TOO_OLD", { details: { version } });
}

/** Reads values as SQLite gives them: truth values as 1 and 0, 64-bit integers and sums as numbers, bytes as `Uint8Array`. */
function getTypeParser(oid: number, format?: "text" | "binary"): (value: string) => unknown {
  switch (oid) {
    case pg.types.builtins.INT8:
      return readInteger;
    case pg.types.builtins.NUMERIC:
      return Number;
    case pg.types.builtins.BOOL:
      return (value) => (value === "t" ? 1 : 0);
    case pg.types.builtins.BYTEA:
      return readBytes;
    default:
      return pg.types.getTypeParser(oid, format === "binary" ? "binary" : "text");
  }
}

function readInteger(value: string): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : BigInt(value);
}

function readBytes(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value.slice(2), "hex"));
}
