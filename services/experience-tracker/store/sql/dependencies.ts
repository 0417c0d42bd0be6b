import type { BatchStatement, Database, RunResult, TransactionHandle } from "@signalbox/database";
import type { OutboxRecord, Rules } from "@signalbox/experience";
import type { Clock, Logger } from "@signalbox/kernel";

/** Publishes records as part of an open transaction, which then needs no outbox. */
export type PublishInTransaction = (records: readonly OutboxRecord[], transaction: TransactionHandle) => Promise<void>;

export interface SqlStoreDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rules: Rules;
  /** Names this process among those that share the database. */
  readonly replica: string;
  /** Whether the database server's clock decides. SQLite has none. */
  readonly serverClock: boolean;
  /** Where the event store lives in the same database. Default: records wait in a table. */
  readonly publish: PublishInTransaction | undefined;
}

/** Names in `experience_meta`. Those of gaps sort by their beginning. */
export const metaNames = {
  holdUntil: "hold_until_ms",
  outboxLease: "outbox_lease",
  replica: (name: string) => `replica:${name}`,
  replicas: "replica:",
  gap: (fromMs: number) => `gap:${String(fromMs).padStart(15, "0")}`,
  silence: (fromMs: number, tenant: string, producer: string) => `${metaNames.gap(fromMs)}:${tenant}|${producer}`,
  gaps: "gap:",
} as const;

/** Asks the server's clock in milliseconds, where one decides. */
export function askClock({ serverClock }: SqlStoreDependencies): BatchStatement {
  const sql = serverClock ? "select floor(extract(epoch from clock_timestamp()) * 1000) as value" : "select 0 as value";
  return { sql, rows: serverClock ? [[]] : [] };
}

/** The answer, else the process's own time. */
export function clockOf({ serverClock, clock }: SqlStoreDependencies, answer: RunResult | undefined): number {
  return serverClock ? Number(answer?.rows[0]?.["value"]) : clock.nowMs();
}
