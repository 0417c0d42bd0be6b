import type { Database } from "@signalbox/database";
import { type Clock, createFailureLog, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import { addToLedger, type LedgerEntry } from "../store/ledger.js";
import type { RecordOutcome } from "./edge-outcomes.js";

export interface EdgeLedger {
  /** Takes an outcome of the edge without waiting. */
  readonly record: RecordOutcome;
  readonly service: Service;
}

export interface EdgeLedgerOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with the projects whose ledger has changed. */
  readonly onWritten?: (projectIds: readonly number[]) => void;
}

/** Together with the time that writing takes, no more than a second. */
const flushMs = 900;
/** Cells that may wait while the database is away. Further ones are counted in the log alone. */
const maxWaiting = 10_000;

/**
 * Brings what ends at the edge into the ledger, receipt and outcome together, within a second. A crash loses what was
 * not written yet: clients were refused and no event of theirs is in the system.
 */
export function createEdgeLedger({ database, clock, logger, onWritten = () => {} }: EdgeLedgerOptions): EdgeLedger {
  let waiting = new Map<string, LedgerEntry>();
  let lost = 0;
  let timer: Timer | undefined;
  let writing: Promise<void> = Promise.resolve();
  let stopped = false;
  const failures = createFailureLog({
    logger,
    clock,
    message: "outcomes of the edge could not be written to the ledger",
  });

  const add = (entry: LedgerEntry): void => {
    const { projectId, keyId, category, receivedAtMs, outcome, reason } = entry;
    const hour = Math.floor(receivedAtMs / 3_600_000);
    const cell = `${projectId} ${keyId} ${category} ${hour} ${outcome} ${reason}`;
    const before = waiting.get(cell);
    if (before === undefined && waiting.size >= maxWaiting) {
      lost += entry.quantity ?? 1;
      return;
    }
    waiting.set(cell, { ...entry, quantity: (before?.quantity ?? 0) + (entry.quantity ?? 1) });
  };

  const write = async (): Promise<void> => {
    if (waiting.size === 0) return;
    const entries = [...waiting.values()];
    waiting = new Map();
    const receipts = entries.map((entry): LedgerEntry => ({ ...entry, outcome: "received", reason: "" }));
    try {
      await database.transaction((transaction: Transaction<unknown>) =>
        addToLedger(database, [...receipts, ...entries], transaction),
      );
      onWritten([...new Set(entries.map(({ projectId }) => projectId))]);
    } catch (error) {
      for (const entry of entries) add(entry);
      failures.failed({ error, lost });
      return;
    }
    failures.worked();
  };

  const arm = (): void => {
    timer = clock.setTimer(flushMs, () => {
      writing = write().finally(() => {
        if (!stopped) arm();
      });
    });
  };

  return {
    record(outcome) {
      const { projectId, keyId, category, reason, quantity } = outcome;
      // What belongs to no quota, as client reports, has no place in the balance.
      if (category === null) return;
      add({ projectId, keyId, category, receivedAtMs: clock.nowMs(), outcome: outcome.outcome, reason, quantity });
    },
    service: createService({
      name: "edge ledger",
      async start() {
        arm();
      },
      async stop() {
        stopped = true;
        timer?.cancel();
        await writing;
        await write();
      },
    }),
  };
}
