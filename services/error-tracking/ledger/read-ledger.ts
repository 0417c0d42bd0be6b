import type { Database } from "@signalbox/database";
import { countPending, findGivenUp, type PendingEvents, type QueueState } from "../digest/pending-events.js";

export const ledgerGroupings = ["outcome", "category", "key"] as const;
export type LedgerGrouping = (typeof ledgerGroupings)[number];

export interface LedgerQuery {
  readonly projectId: number;
  /** The hours that these times lie in are the first and the last one. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly intervalMs: number;
  readonly groupBy: LedgerGrouping;
}

/** How many items were received, and what became of them. */
export interface LedgerSum {
  readonly received: number;
  /** By outcome and reason; reasons are empty where the outcome needs none. */
  readonly outcomes: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

export interface Ledger {
  readonly total: LedgerSum;
  /** Accepted and without an outcome yet. Part of the total where it is the project's own. */
  readonly pending: PendingEvents;
  /** Received less what has an outcome and what is pending: 0, always. */
  readonly balance: number;
  /** By the start of the interval, oldest first; intervals without items are missing. */
  readonly intervals: ReadonlyMap<number, LedgerSum>;
  /** By outcome, category or key, largest first. */
  readonly groups: ReadonlyMap<string, LedgerSum>;
  /** What clients say they did not send; no part of the sums. */
  readonly clientDiscarded: readonly ClientDiscarded[];
}

interface ClientDiscarded {
  readonly reason: string;
  readonly category: string;
  readonly quantity: number;
}

interface Cell {
  readonly key_id: number;
  readonly category: string;
  readonly hour: number;
  readonly outcome: string;
  readonly reason: string;
  readonly quantity: number;
}

const hourMs = 3_600_000;

/** What a project received within some time, and what became of it, exactly. */
export async function readLedger(database: Database, queue: QueueState, query: LedgerQuery): Promise<Ledger> {
  const { projectId, intervalMs, groupBy } = query;
  const hours = [Math.floor(query.fromMs / hourMs), Math.floor(query.toMs / hourMs)] as const;
  const [cells, pending, clientDiscarded] = await Promise.all([
    readCells(database, queue, projectId, hours),
    countPending(database, queue, projectId),
    readClientDiscards(database, projectId, hours),
  ]);
  const ended = sumOf(cells);
  // What waits has been received, too; it is counted where the transport can tell whose it is.
  const waiting = pending.isOfProject ? pending.events + pending.messages : 0;
  const total = { ...ended, received: ended.received + waiting };
  const intervals = groupCells(cells, ({ hour }) => Math.floor((hour * hourMs) / intervalMs) * intervalMs);
  const groups = groupCells(cells, (cell) => groupOf(cell, groupBy));
  if (groupBy === "outcome") {
    groups.delete("received");
    for (const [outcome, sum] of groups) groups.set(outcome, { ...sum, received: endedOf(sum) });
  }
  return {
    total,
    pending,
    balance: total.received - waiting - endedOf(total),
    intervals: new Map([...intervals].sort(([a], [b]) => a - b)),
    groups: new Map([...groups].sort(([, a], [, b]) => endedOf(b) - endedOf(a))),
    clientDiscarded,
  };
}

/** Items that have an outcome. */
export function endedOf({ outcomes }: LedgerSum): number {
  let sum = 0;
  for (const reasons of outcomes.values()) for (const quantity of reasons.values()) sum += quantity;
  return sum;
}

function groupOf({ outcome, category, key_id: keyId }: Cell, groupBy: LedgerGrouping): string {
  if (groupBy === "outcome") return outcome;
  return groupBy === "category" ? category : String(keyId);
}

/** The ledger's cells, with the dead letters in their places. */
async function readCells(
  database: Database,
  queue: QueueState,
  projectId: number,
  [first, last]: readonly [number, number],
): Promise<Cell[]> {
  const { rows } = await database.run<Cell>(
    `select key_id, category, hour, outcome, reason, quantity from error_ledger
    where project_id = ? and hour >= ? and hour <= ?`,
    [projectId, first, last],
  );
  const cells = rows.map((row) => ({ ...row, key_id: Number(row.key_id), quantity: Number(row.quantity) }));
  for (const { receivedAtMs, keyId, category, quantity, isCounted, outcome, reason } of await findGivenUp(
    database,
    queue,
    projectId,
  )) {
    const hour = Math.floor(receivedAtMs / hourMs);
    if (!(hour >= first && hour <= last)) continue;
    const cell = { key_id: keyId, category, hour, quantity };
    // What was counted as stored and then refused was not stored after all.
    if (isCounted) cells.push({ ...cell, outcome: "stored", reason: "", quantity: -quantity });
    else cells.push({ ...cell, outcome: "received", reason: "" });
    cells.push({ ...cell, outcome, reason });
  }
  return cells;
}

async function readClientDiscards(
  database: Database,
  projectId: number,
  [first, last]: readonly [number, number],
): Promise<ClientDiscarded[]> {
  const { rows } = await database.run<ClientDiscarded>(
    `select reason, category, sum(quantity) as quantity from error_client_discards
    where project_id = ? and hour >= ? and hour <= ? group by reason, category order by reason, category`,
    [projectId, first, last],
  );
  return rows.map((row) => ({ ...row, quantity: Number(row.quantity) }));
}

function groupCells<Key>(cells: readonly Cell[], keyOf: (cell: Cell) => Key): Map<Key, LedgerSum> {
  const parts = new Map<Key, Cell[]>();
  for (const cell of cells) {
    const key = keyOf(cell);
    const part = parts.get(key);
    if (part) part.push(cell);
    else parts.set(key, [cell]);
  }
  return new Map([...parts].map(([key, part]) => [key, sumOf(part)]));
}

function sumOf(cells: readonly Cell[]): LedgerSum {
  let received = 0;
  const outcomes = new Map<string, Map<string, number>>();
  for (const { outcome, reason, quantity } of cells) {
    if (outcome === "received") {
      received += quantity;
      continue;
    }
    const reasons = outcomes.get(outcome) ?? new Map<string, number>();
    outcomes.set(outcome, reasons);
    reasons.set(reason, (reasons.get(reason) ?? 0) + quantity);
  }
  return { received, outcomes };
}
