import { AsyncResource } from "node:async_hooks";
import type { Clock, Metrics } from "@signalbox/kernel";
import { CompiledQuery, type DatabaseConnection, type Kysely, type Transaction } from "kysely";
import type { BatchStatement, Database, RunResult, TransactionHandle } from "./database.js";
import type { EngineAdapter, Session } from "./engine.js";
import { DatabaseError } from "./errors.js";
import { createGroupCommit } from "./group-commit.js";
import { createHandles } from "./handles.js";
import { Lease } from "./lease.js";
import { createScope, openScopeOf, runInScope, type TransactionScope } from "./transaction-scope.js";

export interface CreateDatabaseOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly transactionTimeoutMs: number;
}

/** Makes the port of an engine adapter: transactions, group commit, handles and their marks are the same for all. */
export function createDatabase(adapter: EngineAdapter, options: CreateDatabaseOptions): Database {
  const owner = {};
  const handles = createHandles(adapter.dialect);
  const gate = createGate();
  const groupSizes = options.metrics.histogram({
    name: "signalbox_database_group_commit_members",
    help: "Members of a group commit.",
    labels: ["engine"],
    known: [{ engine: adapter.engine }],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
  });
  const groupSeconds = options.metrics.histogram({
    name: "signalbox_database_group_commit_seconds",
    help: "Time from the begin of a group commit to its end.",
    labels: ["engine"],
    known: [{ engine: adapter.engine }],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  });
  const group = createGroupCommit({
    acquire: () => adapter.acquire(),
    clock: options.clock,
    maxMembers: 256,
    maxGroupMs: adapter.maxGroupMs,
    maxWaiting: 10_000,
    maxGatherMs: 2,
    observe: ({ members, seconds }) => {
      groupSizes.observe(members, { engine: adapter.engine });
      groupSeconds.observe(seconds, { engine: adapter.engine });
    },
  });

  /** Refuses what would wait for ever behind the transaction that is open around the caller. */
  const admit = <T>(code: "DATABASE_NESTED_TRANSACTION" | "DATABASE_WRONG_HANDLE", work: () => Promise<T>) =>
    gate.pass(async () => {
      if (openScopeOf(owner)) throw new DatabaseError(code);
      return work();
    });

  const borrow = <T>(work: (lease: Lease) => Promise<T>): Promise<T> =>
    admit("DATABASE_WRONG_HANDLE", async () => {
      const session = await adapter.acquire();
      const lease = new Lease(owner, session);
      const scope = createScope(owner, false);
      try {
        return await runInScope(scope, () => work(lease));
      } finally {
        end(lease, scope);
        session.leave();
      }
    });

  const writer = handles.kysely({ provideConnection: (consumer) => borrow(consumer) });
  const reader = handles.kysely({
    provideConnection: (consumer) => gate.pass(() => adapter.reader.provideConnection(consumer)),
  });

  /** Calls `work` with a handle of its own and resolves with its value and what to wake after the commit. */
  const perform = async <Tables, T>(
    session: Session,
    work: (transaction: Transaction<Tables>) => Promise<T>,
    timeoutMs: number,
  ): Promise<{ readonly value: T; readonly scope: TransactionScope }> => {
    const lease = new Lease(owner, session);
    const scope = createScope(owner, true);
    // The tables are the caller's claim about its schema; no value could be checked for it.
    const handle = handles.transaction({ provideConnection: (consumer) => consumer(lease) }) as Transaction<Tables>;
    try {
      const value = await withDeadline(
        runInScope(scope, async () => work(handle)),
        timeoutMs,
        options.clock,
      );
      lease.assertHealthy();
      return { value, scope };
    } finally {
      end(lease, scope);
    }
  };

  const wake = (scope: TransactionScope): void => {
    for (const channel of scope.channels) adapter.notify(channel);
    for (const callback of scope.callbacks) callback();
  };

  const joinWithWork = <T>(work: (session: Session) => Promise<T>, afterCommit: () => void): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      let value: T;
      group.join({
        kind: "work",
        async perform(session) {
          value = await work(session);
        },
        committed() {
          afterCommit();
          resolve(value);
        },
        failed: reject,
      });
    });

  const joinWithBatch = (statements: readonly BatchStatement[]): Promise<RunResult[]> =>
    new Promise((resolve, reject) => {
      group.join({ kind: "batch", statements, committed: resolve, failed: reject });
    });

  const batch = (statements: readonly BatchStatement[], transaction?: TransactionHandle): Promise<RunResult[]> =>
    transaction
      ? onTransaction(transaction, owner, adapter, statements)
      : admit("DATABASE_WRONG_HANDLE", () => joinWithBatch(statements));

  return {
    engine: adapter.engine,
    as: <Tables>() => writer as Kysely<Tables>,
    reader: <Tables>() => reader as Kysely<Tables>,

    transaction: (work, { timeoutMs, waitMs } = {}) =>
      admit("DATABASE_NESTED_TRANSACTION", async () => {
        const session = await adapter.acquire();
        try {
          await session.begin({ waitMs, timeoutMs });
          const { value, scope } = await perform(session, work, timeoutMs ?? options.transactionTimeoutMs).catch(
            async (error: unknown) => {
              await session.rollback();
              throw error;
            },
          );
          await session.commit();
          wake(scope);
          return value;
        } finally {
          session.leave();
        }
      }),

    commitTogether: (work) =>
      admit("DATABASE_NESTED_TRANSACTION", () => {
        let mark: TransactionScope | undefined;
        // A group runs in nobody's context, each member in its caller's.
        const performMember = AsyncResource.bind(async (session: Session) => {
          const { value, scope } = await perform(session, work, options.transactionTimeoutMs);
          mark = scope;
          return value;
        });
        return joinWithWork(performMember, () => mark && wake(mark));
      }),

    batch,
    async runMany(sql, rows, transaction) {
      if (rows.length > 0) await batch([{ sql, rows }], transaction);
    },

    async run<Row>(sql: string, values: BatchStatement["rows"][number] = [], transaction?: TransactionHandle) {
      const statements = [{ sql, rows: [values] }];
      const [result] = transaction
        ? await onTransaction(transaction, owner, adapter, statements)
        : await borrow((lease) => lease.batch(statements));
      // The row type is the caller's claim about its statement.
      return (result ?? { rows: [], changes: 0 }) as RunResult<Row>;
    },

    notify(channel) {
      const scope = openScopeOf(owner);
      if (scope?.transaction) scope.channels.add(channel);
      else adapter.notify(channel);
    },
    afterCommit(callback) {
      const scope = openScopeOf(owner);
      if (!scope?.transaction) return false;
      scope.callbacks.push(callback);
      return true;
    },
    listen: (channel, onNotify) => adapter.listen(channel, onNotify),
    ping: (signal) => orAborted(() => gate.pass(() => adapter.ping()), signal),
    close: async () => {
      if (openScopeOf(owner))
        throw new DatabaseError("DATABASE_NESTED_TRANSACTION", { message: "A transaction cannot close its database." });
      await gate.close(() => adapter.close());
    },
  };
}

function end(lease: Lease, scope: TransactionScope): void {
  lease.end();
  scope.open = false;
}

function onTransaction(
  transaction: TransactionHandle,
  owner: object,
  adapter: EngineAdapter,
  statements: readonly BatchStatement[],
): Promise<RunResult[]> {
  return transaction.getExecutor().provideConnection(async (connection) => {
    if (!(connection instanceof Lease)) return onForeignConnection(connection, adapter, statements);
    if (connection.owner !== owner)
      throw new DatabaseError("DATABASE_WRONG_HANDLE", { message: "The transaction belongs to another database." });
    return connection.batch(statements);
  });
}

/** A transaction that the application opened with a Kysely of its own. */
async function onForeignConnection(
  connection: DatabaseConnection,
  adapter: EngineAdapter,
  statements: readonly BatchStatement[],
): Promise<RunResult[]> {
  const results: RunResult[] = [];
  for (const { sql, rows } of statements) {
    const native = adapter.nativeSql(sql);
    const found: Record<string, unknown>[] = [];
    let changes = 0;
    for (const values of rows) {
      const result = await connection.executeQuery<Record<string, unknown>>(CompiledQuery.raw(native, [...values]));
      found.push(...result.rows);
      changes += Number(result.numAffectedRows ?? result.rows.length);
    }
    results.push({ rows: found, changes });
  }
  return results;
}

/** Lets work through until it is closed; closing waits for what is inside. */
function createGate() {
  let inside = 0;
  let closing: Promise<void> | undefined;
  let onEmpty: (() => void) | undefined;
  return {
    async pass<T>(work: () => Promise<T>): Promise<T> {
      if (closing) throw new DatabaseError("DATABASE_CLOSED");
      inside++;
      try {
        return await work();
      } finally {
        inside--;
        if (inside === 0) onEmpty?.();
      }
    },
    close(release: () => Promise<void>): Promise<void> {
      closing ??= (async () => {
        if (inside > 0) {
          await new Promise<void>((resolve) => {
            onEmpty = resolve;
          });
        }
        await release();
      })();
      return closing;
    },
  };
}

/** Stops waiting when the signal says so; the work itself ends by its own limits. */
async function orAborted<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  signal?.throwIfAborted();
  let stopWaiting = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stopWaiting = () => reject(signal?.reason);
    signal?.addEventListener("abort", stopWaiting, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal?.removeEventListener("abort", stopWaiting);
  }
}

function withDeadline<T>(work: Promise<T>, timeoutMs: number, clock: Clock): Promise<T> {
  if (timeoutMs === 0) return work;
  return new Promise<T>((resolve, reject) => {
    const timer = clock.setTimer(timeoutMs, () => reject(new DatabaseError("DATABASE_TIMEOUT")));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
