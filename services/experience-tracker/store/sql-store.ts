import type { Database, TransactionHandle } from "@signalbox/database";
import { defaultRules, type ExperienceStore, isForgotten, type Rules, type RunIdentity } from "@signalbox/experience";
import { type Clock, errorCode, type Logger, retry, silentLogger, systemClock, ulid } from "@signalbox/kernel";
import { sql } from "kysely";
import { createApplyQueue } from "./apply-queue.js";
import { decodeEntry, decodeRun } from "./codec.js";
import { addActivity, readActivity } from "./sql/activity.js";
import { applyGroup } from "./sql/apply-group.js";
import { claimDue } from "./sql/claim-due.js";
import { metaNames, type PublishInTransaction, type SqlStoreDependencies } from "./sql/dependencies.js";
import { beat, readGaps, recordSilence } from "./sql/heartbeat.js";
import { listRuns } from "./sql/list-runs.js";
import { forgetRecords, takeRecords } from "./sql/outbox.js";
import { identityMatch, identityValues, numberOf, textOf } from "./sql/rows.js";
import { away, translated } from "./store-error.js";

export interface SqlStoreOptions {
  /** Migrated with `experienceMigrations`. The caller closes it, after the store. */
  readonly database: Database;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly rules?: Partial<Rules>;
  readonly replica?: string;
  /** Whether PostgreSQL's clock decides, so that replicas agree. Default true; SQLite goes by `clock`. */
  readonly serverClock?: boolean;
  /** Publishes in the transaction of the step; then nothing ever waits in the outbox. */
  readonly publish?: PublishInTransaction;
}

const maxTogether = 256;
const maxWaiting = 10_000;
/** How often a transaction is tried that PostgreSQL gave up in favour of another one. */
const conflictAttempts = 5;
/** How far the clocks of server and process may differ without a run being found late. */
const maxClockDifferenceMs = 10_000;
/** Beyond as many records their number is an estimate. */
const countExactly = 10_000;

/** Keeps runs in the relational database. Several processes may share a PostgreSQL database. */
export function createSqlStore(options: SqlStoreOptions): ExperienceStore {
  const { database, clock = systemClock, logger = silentLogger } = options;
  const dependencies: SqlStoreDependencies = {
    database,
    clock,
    logger,
    rules: { ...defaultRules, ...options.rules },
    replica: options.replica ?? ulid(),
    serverClock: database.engine === "postgres" && (options.serverClock ?? true),
    publish: options.publish,
  };
  let closing: Promise<void> | undefined;
  /** Steps of this process come one after the other; what they lock they never lock crosswise. */
  let turn: Promise<unknown> = Promise.resolve();

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work, work);
    turn = mine.catch(() => {});
    return mine;
  };

  const commit = <T>(work: (transaction: TransactionHandle) => Promise<T>): Promise<T> =>
    // SQLite has one writer, so others may share the commit; PostgreSQL's locks are better kept to ourselves.
    database.engine === "sqlite" ? database.commitTogether(work) : database.transaction(work);

  const step = <T>(work: (transaction: TransactionHandle) => Promise<T>): Promise<T> =>
    translated(() =>
      inTurn(() =>
        retry(() => commit(work), {
          maxAttempts: conflictAttempts,
          baseMs: 10,
          maxMs: 100,
          clock,
          retryIf: (error) => errorCode(error) === "DATABASE_BUSY",
        }),
      ),
    );

  const queue = createApplyQueue({
    commit: (checkpoints) => step((transaction) => applyGroup(dependencies, checkpoints, transaction)),
    maxTogether,
    maxWaiting,
  });

  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closing) throw away(new Error("The store is closed"));
    return translated(work);
  };

  const holdUntilMs = async (): Promise<number> => {
    const { rows } = await sql<{ value: string }>`
      select value from experience_meta where name = ${metaNames.holdUntil}`.execute(database.reader());
    return Number(rows[0]?.value ?? 0);
  };

  const nextDue = async (): Promise<number | undefined> => {
    const { rows } = await sql<{ value: number | null }>`
      select min(due_at_ms) as value from experience_runs where due_at_ms is not null`.execute(database.reader());
    const dueMs = numberOf(rows[0]?.value);
    return dueMs === undefined ? undefined : Math.max(dueMs, await holdUntilMs());
  };

  const get = async (identity: RunIdentity) => {
    const values = identityValues(identity);
    const [runs, entries] = await database.batch([
      { sql: `select record from experience_runs where ${identityMatch}`, rows: [values] },
      { sql: `select entry from experience_run_events where ${identityMatch} order by place`, rows: [values] },
    ]);
    const record = textOf(runs?.rows[0]?.["record"]);
    if (record === "") return undefined;
    const run = decodeRun(identity, record);
    if (isForgotten(run, clock.nowMs(), dependencies.rules)) return undefined;
    return { run, timeline: (entries?.rows ?? []).map((row) => decodeEntry(textOf(row["entry"]))) };
  };

  /** Without opening a transaction: most of the time nothing is due and nothing has had its time. */
  const somethingToClaim = async (): Promise<boolean> => {
    const { rows } = await sql<Record<string, number | null>>`
      select (select min(due_at_ms) from experience_runs where due_at_ms is not null) as due,
        (select min(decided_at_ms) from experience_runs where decided_at_ms is not null) as decided`.execute(
      database.reader(),
    );
    // The database server's clock may be a little ahead of ours.
    const nowMs = clock.nowMs() + (dependencies.serverClock ? maxClockDifferenceMs : 0);
    const dueMs = numberOf(rows[0]?.["due"]) ?? Number.POSITIVE_INFINITY;
    const decidedMs = numberOf(rows[0]?.["decided"]) ?? Number.POSITIVE_INFINITY;
    return dueMs < nowMs || decidedMs < nowMs - dependencies.rules.retentionMs;
  };

  const hasRecords = async (): Promise<boolean> => {
    const { rows } = await sql`select 1 from experience_outbox limit 1`.execute(database.reader());
    return rows.length > 0;
  };

  return {
    apply: (checkpoints) => ask(() => queue.apply(checkpoints)),
    claimDue: (limit) =>
      ask(async () =>
        (await somethingToClaim())
          ? step((transaction) => claimDue(dependencies, limit, transaction))
          : { decided: [], failed: [], more: false },
      ),
    nextDue: () => ask(nextDue),
    putAside: (identity, untilMs) =>
      ask(async () => {
        await database.run(
          `update experience_runs set due_at_ms = ? where ${identityMatch} and due_at_ms is not null`,
          [untilMs, ...identityValues(identity)],
        );
      }),
    get: (identity) => ask(() => get(identity)),
    list: (filter, page) => ask(() => listRuns(database, filter, page)),
    counters: () =>
      ask(async () => {
        const { rows } = await sql<{ series_key: string; value: number }>`
          select series_key, sum(value) as value from experience_counters group by series_key`.execute(
          database.reader(),
        );
        return new Map(rows.map(({ series_key, value }) => [series_key, Number(value)]));
      }),
    takeOutbox: (limit) =>
      ask(async () =>
        (await hasRecords()) ? step((transaction) => takeRecords(dependencies, limit, transaction)) : [],
      ),
    ackOutbox: (ids) => ask(() => step((transaction) => forgetRecords(dependencies, ids, transaction))),
    heartbeat: (heartbeat) => ask(() => step((transaction) => beat(dependencies, heartbeat, transaction))),
    gaps: (sinceMs) => ask(() => readGaps(dependencies, sinceMs)),
    recordSilence: (gap) => ask(() => step((transaction) => recordSilence(dependencies, gap, transaction))),
    addActivity: (added) =>
      ask(async () => {
        if (added.length > 0) await step((transaction) => addActivity(dependencies, added, transaction));
      }),
    activity: (period, sinceMs) => ask(() => readActivity(dependencies, period, sinceMs)),
    health: () =>
      ask(async () => {
        const { rows } = await sql<Record<string, number | null>>`
          select min(id) as first_id, max(id) as last_id, min(at_ms) as oldest
          from experience_outbox`.execute(database.reader());
        const [row] = rows;
        const oldestAtMs = numberOf(row?.["oldest"]);
        const span = oldestAtMs === undefined ? 0 : Number(row?.["last_id"]) - Number(row?.["first_id"]) + 1;
        return {
          nowMs: clock.nowMs(),
          outboxRecords: span > countExactly ? span : await countRecords(database),
          outboxOldestAtMs: oldestAtMs,
          nextDueMs: await nextDue(),
          warnings: [],
        };
      }),
    close() {
      closing ??= queue.idle().then(() => turn.then(() => {}));
      return closing;
    },
  };
}

async function countRecords(database: Database): Promise<number> {
  const { rows } = await sql<{ value: number }>`select count(*) as value from experience_outbox`.execute(
    database.reader(),
  );
  return Number(rows[0]?.value ?? 0);
}
