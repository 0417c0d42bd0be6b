import type { Database, TransactionHandle } from "@signalbox/database";
import { errorCode, SignalboxError } from "@signalbox/kernel";
import {
  type CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  PostgresAdapter,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import { EventStoreError } from "./errors.js";

/** A `pg` client on which `BEGIN` was sent. */
export interface PgClient {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[]; readonly rowCount: number | null }>;
}

/** Something that publishes can be part of: a Kysely transaction, or a `pg` client inside one. */
export type JoinableTransaction = TransactionHandle | PgClient;

/** @throws {EventStoreError} `EVT_TRANSACTION_CLOSED` for anything that is no transaction. */
export function readTransaction(value: unknown): TransactionHandle {
  if (isHandle(value)) return value;
  if (isPgClient(value)) return handleOf(value);
  throw new EventStoreError("EVT_TRANSACTION_CLOSED", {
    message: "`transaction` must be an open transaction of the event store's database",
  });
}

/**
 * Resolves when the transaction is open and on this very database.
 * @throws {EventStoreError} `EVT_TRANSACTION_CLOSED`, `EVT_TRANSACTION_FOREIGN`; nothing has been written then.
 */
export async function verifyTransaction(transaction: TransactionHandle, database: Database): Promise<void> {
  if (verified.has(transaction)) return;
  try {
    const { rows } = await database.run(whereAmI[database.engine], [], transaction);
    const [there] = rows;
    if (there?.["begun"] === 0) throw new EventStoreError("EVT_TRANSACTION_CLOSED");
    if (there?.["identity"] !== (await identityOf(database))) throw new EventStoreError("EVT_TRANSACTION_FOREIGN");
  } catch (error) {
    if (errorCode(error) === "DATABASE_QUERY_FAILED" || !(error instanceof SignalboxError))
      throw new EventStoreError("EVT_TRANSACTION_FOREIGN", { cause: error });
    throw translateTransactionError(error);
  }
  verified.add(transaction);
}

/** Handles that were found to be good; that one has ended is told by its first statement. */
const verified = new WeakSet<TransactionHandle>();

/** Which database a connection is on, and whether its transaction was begun before this statement. */
const whereAmI = {
  sqlite: "select identity, 1 as begun from event_store_identity",
  postgres: `select identity, case when now() < statement_timestamp() then 1 else 0 end as begun
    from event_store_identity`,
};

const identities = new WeakMap<Database, Promise<string | undefined>>();

/** Read beside the writer, which the transaction in question may hold. */
function identityOf(database: Database): Promise<string | undefined> {
  let identity = identities.get(database);
  if (!identity) {
    identity = database
      .reader<{ event_store_identity: { identity: string } }>()
      .selectFrom("event_store_identity")
      .select("identity")
      .executeTakeFirst()
      .then((row) => row?.identity);
    identity.catch(() => identities.delete(database));
    identities.set(database, identity);
  }
  return identity;
}

function isHandle(value: unknown): value is TransactionHandle {
  return (
    typeof value === "object" &&
    value !== null &&
    "isTransaction" in value &&
    value.isTransaction === true &&
    "getExecutor" in value &&
    typeof value.getExecutor === "function"
  );
}

function isPgClient(value: unknown): value is PgClient {
  return (
    typeof value === "object" &&
    value !== null &&
    !("isTransaction" in value) &&
    "query" in value &&
    typeof value.query === "function"
  );
}

/** A client as the database port knows transactions. */
function handleOf(client: PgClient): TransactionHandle {
  const connection: DatabaseConnection = {
    async executeQuery<Row>({ sql: text, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
      const { rows, rowCount } = await client.query(text, [...parameters]);
      // What the rows hold is the claim of whoever wrote the statement.
      return { rows: rows as Row[], numAffectedRows: BigInt(rowCount ?? 0) };
    },
    // biome-ignore lint/correctness/useYield: nobody streams from it
    async *streamQuery() {
      throw new EventStoreError("EVT_TRANSACTION_FOREIGN", { message: "Queries cannot be streamed here" });
    },
  };
  const executor = new DefaultQueryExecutor(new PostgresQueryCompiler(), new PostgresAdapter(), {
    provideConnection: (consumer) => consumer(connection),
  });
  return { isTransaction: true, getExecutor: () => executor };
}

/** What the database says about a bad transaction, in the words of the event store; other errors as they are. */
export function translateTransactionError(error: unknown): unknown {
  switch (errorCode(error)) {
    case "DATABASE_TRANSACTION_ENDED":
      return new EventStoreError("EVT_TRANSACTION_CLOSED", { cause: error });
    case "DATABASE_WRONG_HANDLE":
      return new EventStoreError("EVT_TRANSACTION_FOREIGN", { cause: error });
    default:
      return error;
  }
}
