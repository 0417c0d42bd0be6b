import type { Database, TransactionHandle } from "@signalbox/database";
import { overRows, runOverRows } from "./json-rows.js";

/** How an item ended. Every item that was received ends in exactly one of these. */
type Outcome =
  | "stored"
  | "sampled"
  | "not_stored"
  | "duplicate"
  | "filtered"
  | "rate_limited"
  | "invalid"
  | "discarded"
  | "dead_lettered";

export interface LedgerEntry {
  readonly projectId: number;
  readonly keyId: number;
  /** Quota class on the wire: `error`, `attachment`, … */
  readonly category: string;
  readonly receivedAtMs: number;
  readonly outcome: Outcome | "received";
  readonly reason?: string;
  readonly quantity?: number;
}

const add = overRows(`
  insert into error_ledger (project_id, key_id, category, hour, outcome, reason, quantity)
  select $int(0), $int(1), $2, $int(3), $4, $5, $int(6) from $rows where true
  on conflict (project_id, key_id, category, hour, outcome, reason)
  do update set quantity = error_ledger.quantity + excluded.quantity`);

/**
 * Adds to the ledger, inside the transaction that holds what the entries tell of. Receipts and outcomes of the same
 * items belong into one call, so that the balance holds at every moment.
 */
export async function addToLedger(
  database: Database,
  entries: readonly LedgerEntry[],
  transaction: TransactionHandle,
): Promise<void> {
  const cells = new Map<string, [LedgerEntry, number]>();
  for (const entry of entries) {
    const { projectId, keyId, category, outcome, reason = "" } = entry;
    const cell = `${projectId} ${keyId} ${category} ${hourOf(entry.receivedAtMs)} ${outcome} ${reason}`;
    const [, quantity] = cells.get(cell) ?? [entry, 0];
    cells.set(cell, [entry, quantity + (entry.quantity ?? 1)]);
  }
  // In one order everywhere, so that two writers never wait for each other in a circle.
  const rows = [...cells]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, [entry, quantity]]) => [
      entry.projectId,
      entry.keyId,
      entry.category,
      hourOf(entry.receivedAtMs),
      entry.outcome,
      entry.reason ?? "",
      quantity,
    ]);
  await runOverRows(database, add, rows, transaction);
}

function hourOf(timeMs: number): number {
  return Math.floor(timeMs / 3_600_000);
}
