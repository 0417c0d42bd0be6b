import type { Database, TransactionHandle } from "@signalbox/database";
import { overRows, runOverRows } from "./json-rows.js";

/** What a client says it did not send. Stands beside the ledger and is no part of its balance. */
export interface ClientDiscard {
  readonly projectId: number;
  readonly keyId: number;
  /** As the client calls it, such as `error` or `log_item`. */
  readonly category: string;
  /** As the client calls it, such as `ratelimit_backoff` or `before_send`. */
  readonly reason: string;
  /** When it was discarded, by the corrected clock of the client. */
  readonly atMs: number;
  readonly quantity: number;
}

const add = overRows(`
  insert into error_client_discards (project_id, key_id, category, reason, hour, quantity)
  select $int(0), $int(1), $2, $3, $int(4), $int(5) from $rows where true
  on conflict (project_id, hour, category, reason, key_id)
  do update set quantity = error_client_discards.quantity + excluded.quantity`);

const hourMs = 3_600_000;

/** Adds to the client side of the ledger, in the transaction that remembers the report. */
export async function addClientDiscards(
  database: Database,
  discards: readonly ClientDiscard[],
  transaction: TransactionHandle,
): Promise<void> {
  const cells = new Map<string, [ClientDiscard, number]>();
  for (const discard of discards) {
    const { projectId, keyId, category, reason, atMs, quantity } = discard;
    const cell = JSON.stringify([projectId, Math.floor(atMs / hourMs), category, reason, keyId]);
    cells.set(cell, [discard, (cells.get(cell)?.[1] ?? 0) + quantity]);
  }
  // In one order everywhere, so that two writers never wait for each other in a circle.
  const rows = [...cells]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, [{ projectId, keyId, category, reason, atMs }, quantity]]) => [
      projectId,
      keyId,
      category,
      reason,
      Math.floor(atMs / hourMs),
      quantity,
    ]);
  await runOverRows(database, add, rows, transaction);
}
