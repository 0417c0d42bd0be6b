import { type ConnectionProvider, DefaultQueryExecutor, type Dialect, type Driver, Kysely, Transaction } from "kysely";
import { DatabaseError } from "./errors.js";

/** Makes Kysely's objects over connections that this package manages itself. */
export interface Handles {
  kysely(provider: ConnectionProvider): Kysely<unknown>;
  transaction(provider: ConnectionProvider): Transaction<unknown>;
}

export function createHandles(dialect: Dialect): Handles {
  const compiler = dialect.createQueryCompiler();
  const adapter = dialect.createAdapter();
  const props = (provider: ConnectionProvider) => ({
    config: { dialect },
    driver: refusingDriver,
    dialect,
    executor: new DefaultQueryExecutor(compiler, adapter, provider),
  });
  return {
    kysely: (provider) => new Kysely<unknown>(props(provider)),
    transaction: (provider) => new Transaction<unknown>(props(provider)),
  };
}

const refuse = async (): Promise<never> => {
  throw new DatabaseError("DATABASE_UNSUPPORTED");
};

/** Kysely's own transactions would not be seen by the queue of writers, so only the port's exist. */
const refusingDriver: Driver = {
  init: async () => {},
  acquireConnection: refuse,
  beginTransaction: refuse,
  commitTransaction: refuse,
  rollbackTransaction: refuse,
  releaseConnection: refuse,
  destroy: refuse,
};
