import type { CompiledQuery, DatabaseConnection, QueryResult } from "kysely";
import type { BatchStatement, RunResult } from "./database.js";
import type { Session } from "./engine.js";
import { DatabaseError } from "./errors.js";

/**
 * The right to use a session for a while. A transaction's handle holds a lease, so that a statement that nobody
 * awaited cannot slip into the next transaction on the same connection.
 */
export class Lease implements DatabaseConnection {
  readonly owner: object;
  readonly #session: Session;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(owner: object, session: Session) {
    this.owner = owner;
    this.#session = session;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, changes, insertId } = await this.#use((session) => session.query(query.sql, query.parameters));
    return {
      // Kysely hands the row type through unchecked; the schema's types are the caller's claim.
      rows: rows as R[],
      ...(changes === undefined ? {} : { numAffectedRows: BigInt(changes) }),
      ...(insertId === undefined ? {} : { insertId }),
    };
  }

  // biome-ignore lint/correctness/useYield: streams are refused.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new DatabaseError("DATABASE_UNSUPPORTED");
  }

  batch(statements: readonly BatchStatement[]): Promise<RunResult[]> {
    return this.#use((session) => session.batch(statements));
  }

  /** @throws {DatabaseError} `DATABASE_TRANSACTION_FAILED` when a statement failed, even one whose error was caught. */
  assertHealthy(): void {
    if (this.#failure) throw new DatabaseError("DATABASE_TRANSACTION_FAILED", { cause: this.#failure.error });
  }

  end(): void {
    this.#ended = true;
  }

  async #use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#ended) throw new DatabaseError("DATABASE_TRANSACTION_ENDED");
    this.assertHealthy();
    try {
      return await work(this.#session);
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }
}
