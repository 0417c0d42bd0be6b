import type { Pulse } from "@signalbox/kernel";
import pg from "pg";
import type { BatchStatement, RunResult } from "./database.js";
import type { BatchOutcome, Session } from "./engine.js";
import { DatabaseError } from "./errors.js";
import { isBroken, postgresError } from "./postgres-errors.js";
import { checkCount, checkValues, type PortableStatement, readStatement } from "./statement.js";

/** Portable statements by their text, with the name under which each connection prepares them. */
export interface StatementRegistry {
  get(sql: string): PortableStatement & { readonly name: string | undefined };
}

/** Servers keep prepared statements for as long as a connection lives, so only so many get a name. */
const maxPreparedStatements = 500;

export function createStatementRegistry(): StatementRegistry {
  const known = new Map<string, PortableStatement & { readonly name: string | undefined }>();
  return {
    get(sql) {
      const found = known.get(sql);
      if (found) return found;
      if (known.size >= maxPreparedStatements) return { ...readStatement(sql), name: undefined };
      const statement = { ...readStatement(sql), name: `signalbox_${known.size}` };
      known.set(sql, statement);
      return statement;
    },
  };
}

/** The driver's timer takes no longer delay. */
const longestTimeoutMs = 2_147_483_647;

/** Rows that are on their way at once; each costs memory until its answer is back. */
const maxRowsInFlight = 1_000;

const savepoint: pg.QueryConfig = { text: "savepoint member" };
const release: pg.QueryConfig = { text: "release member" };

/** A session on a connection of the pool. The rows of a batch are sent without waiting for each other's answers. */
export function createPostgresSession(client: pg.PoolClient, statements: StatementRegistry, pulse: Pulse): Session {
  let broken = false;
  let queryTimeoutMs: number | undefined;

  const send = async (config: pg.QueryConfig): Promise<pg.QueryResult> => {
    pulse.began();
    try {
      const result = await client.query(withTimeout(config, queryTimeoutMs));
      pulse.ended(true);
      return result;
    } catch (cause) {
      pulse.ended(cause instanceof pg.DatabaseError);
      const error = postgresError(cause);
      broken ||= isBroken(error);
      throw error;
    }
  };

  /** Sends in order and resolves with all results; rejects with the first error, after which nothing took effect. */
  const sendAll = async (configs: readonly pg.QueryConfig[]): Promise<pg.QueryResult[]> => {
    const results: pg.QueryResult[] = [];
    for (let from = 0; from < configs.length; from += maxRowsInFlight) {
      for (const outcome of await Promise.allSettled(configs.slice(from, from + maxRowsInFlight).map(send))) {
        if (outcome.status === "rejected") throw outcome.reason;
        results.push(outcome.value);
      }
    }
    return results;
  };

  const sendApart = async (batch: CheckedBatch): Promise<BatchOutcome> => {
    if (batch.kind === "refused") return { kind: "failed", error: batch.error };
    try {
      const [, ...results] = await sendAll([savepoint, ...batch.configs, release]);
      return { kind: "done", results: combine(batch.statements, results) };
    } catch (error) {
      return { kind: "failed", error };
    }
  };

  const rollbackToSavepoint = async (): Promise<boolean> => {
    try {
      await sendAll([{ text: "rollback to savepoint member" }, release]);
      return true;
    } catch {
      return false;
    }
  };

  return {
    async query(sql, values) {
      const { command, rowCount, rows } = await send({ text: sql, values: [...checkValues(values)] });
      const isWrite = command === "INSERT" || command === "UPDATE" || command === "DELETE" || command === "MERGE";
      return { rows, changes: isWrite ? (rowCount ?? 0) : undefined };
    },

    async batch(batch) {
      return combine(batch, await sendAll(configsOf(batch, statements)));
    },

    async batchApart(batches, mayGoOn) {
      const checked = batches.map((batch) => checkBatch(batch, statements));
      const outcomes: BatchOutcome[] = [];
      // After a failure the server refuses what was sent behind it, so it is sent again, a few at first.
      let maxAtOnce = checked.length;
      while (outcomes.length < checked.length && (outcomes.length === 0 || mayGoOn())) {
        const together = checked.slice(
          outcomes.length,
          outcomes.length + countTogether(checked, outcomes.length, maxAtOnce),
        );
        const settled = await Promise.all(together.map(sendApart));
        const failedAt = settled.findIndex(
          (outcome, index) => outcome.kind !== "done" && together[index]?.kind === "checked",
        );
        if (failedAt === -1) {
          outcomes.push(...settled);
          maxAtOnce *= 2;
          continue;
        }
        outcomes.push(...settled.slice(0, failedAt + 1));
        maxAtOnce = Math.max(1, Math.floor(maxAtOnce / 4));
        if (!(await rollbackToSavepoint())) return markLost(outcomes);
      }
      return outcomes;
    },

    async begin({ timeoutMs } = {}) {
      await send({ text: "begin" });
      if (timeoutMs === undefined) return;
      queryTimeoutMs = timeoutMs === 0 ? longestTimeoutMs : timeoutMs;
      await sendAll(
        ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"].map((setting) => ({
          text: `set local ${setting} = ${Math.trunc(timeoutMs)}`,
        })),
      );
    },

    async commit() {
      let result: pg.QueryResult;
      try {
        result = await send({ text: "commit" });
      } catch (error) {
        throw isBroken(error)
          ? new DatabaseError("DATABASE_UNAVAILABLE", { cause: error, details: { outcome: "unknown" } })
          : error;
      }
      // A transaction in which a statement failed is rolled back by its commit, without an error.
      if (result.command !== "COMMIT") throw new DatabaseError("DATABASE_TRANSACTION_FAILED");
    },

    async rollback() {
      if (broken) return;
      // What could not be rolled back ends with its connection.
      await send({ text: "rollback" }).catch(() => {
        broken = true;
      });
    },

    async savepoint() {
      // Not awaited, to save a round trip: when it fails, so do the statements behind it, and then the way back to it.
      send(savepoint).catch(() => {});
    },
    async releaseSavepoint() {
      await send(release);
    },
    rollbackToSavepoint,

    leave() {
      // A connection that is still inside a transaction would carry it into the next caller's work.
      client.release(broken || client.getTransactionStatus() !== "I");
    },
  };
}

/** The driver reads the timeout, its types do not know it. */
function withTimeout(config: pg.QueryConfig, queryTimeoutMs: number | undefined): pg.QueryConfig {
  return queryTimeoutMs === undefined ? config : Object.assign({ query_timeout: queryTimeoutMs }, config);
}

type CheckedBatch =
  | {
      readonly kind: "checked";
      readonly statements: readonly BatchStatement[];
      readonly configs: readonly pg.QueryConfig[];
    }
  /** Its values cannot be stored; nothing of it is sent. */
  | { readonly kind: "refused"; readonly error: unknown };

function checkBatch(batch: readonly BatchStatement[], statements: StatementRegistry): CheckedBatch {
  try {
    return { kind: "checked", statements: batch, configs: configsOf(batch, statements) };
  } catch (error) {
    return { kind: "refused", error };
  }
}

/** The last outcome was the failure that cost the whole transaction. */
function markLost(outcomes: readonly BatchOutcome[]): BatchOutcome[] {
  return outcomes.map((outcome, index) =>
    index === outcomes.length - 1 && outcome.kind === "failed" ? { kind: "lost", error: outcome.error } : outcome,
  );
}

/** How many batches from `first` on are sent at once: at least one, together no more rows than may be in flight. */
function countTogether(batches: readonly CheckedBatch[], first: number, maxAtOnce: number): number {
  let rows = 0;
  let count = 0;
  for (const batch of batches.slice(first, first + maxAtOnce)) {
    // A savepoint and its release go along with the rows.
    rows += batch.kind === "checked" ? batch.configs.length + 2 : 0;
    if (count > 0 && rows > maxRowsInFlight) break;
    count++;
  }
  return count;
}

function configsOf(batch: readonly BatchStatement[], statements: StatementRegistry): pg.QueryConfig[] {
  return batch.flatMap(({ sql, rows }) => {
    const statement = statements.get(sql);
    return rows.map((values) => {
      checkCount(statement, values);
      const config = { text: statement.numbered, values: [...checkValues(values)] };
      return statement.name === undefined ? config : { ...config, name: statement.name };
    });
  });
}

/** One result for each statement out of one for each of its rows. */
function combine(batch: readonly BatchStatement[], results: readonly pg.QueryResult[]): RunResult[] {
  let next = 0;
  return batch.map(({ rows }) => {
    const own = results.slice(next, next + rows.length);
    next += rows.length;
    return {
      rows: own.flatMap((result) => result.rows),
      changes: own.reduce((sum, result) => sum + (result.rowCount ?? 0), 0),
    };
  });
}
