import { type Portion, portionsOf } from "./filters.js";
import { emptyItems, findNeeds, itemLayers, type SyncItems } from "./items.js";
import type { BatchSnapshot, SyncMethod } from "./snapshot.js";

/** One unit of confirmation: a portion of what is wanted, on its way. */
export interface Batch {
  readonly id: string;
  readonly portion: Portion;
  /** Seconds; only what is newer is asked for. Absent: everything. */
  readonly since: number | undefined;
  readonly startedAtMs: number;
  method: SyncMethod;
  /** How often it was tried again after a failure. */
  retries: number;
  /** It failed as often as it is tried. */
  failed: boolean;
  pages: number;
  received: number;
  idsAsked: number;
  idsSeen: number;
}

export interface NewBatch {
  readonly portion: Portion;
  readonly since?: number | undefined;
  readonly method: SyncMethod;
}

/** How long a failed batch waits before each further try; after the last it has failed for good. */
export const retryDelaysMs: readonly number[] = [60_000, 300_000, 1_800_000];

/**
 * What a peer was asked for and what of it is proven synced. Batches are confirmed each on its own and in any order; one
 * that was dropped cannot be confirmed any more.
 */
export class BatchLedger {
  readonly #pending = new Map<string, Batch>();
  readonly #confirmed = emptyItems();
  #announcementsSynced = false;
  #made = 0;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get confirmed(): SyncItems {
    return this.#confirmed;
  }

  get announcementsSynced(): boolean {
    return this.#announcementsSynced;
  }

  /** Also those that failed for good. */
  get pending(): readonly Batch[] {
    return [...this.#pending.values()];
  }

  /** Whether nothing is on its way. */
  get isSettled(): boolean {
    return this.pending.every(({ failed }) => failed);
  }

  get hasFailures(): boolean {
    return this.pending.some(({ failed }) => failed);
  }

  isPending(batch: Batch): boolean {
    return this.#pending.get(batch.id) === batch;
  }

  add({ portion, since, method }: NewBatch): Batch {
    this.#made++;
    const batch: Batch = {
      id: `${portion.layer}-${this.#made}`,
      portion,
      since,
      method,
      startedAtMs: this.#nowMs(),
      retries: 0,
      failed: false,
      pages: 0,
      received: 0,
      idsAsked: 0,
      idsSeen: 0,
    };
    this.#pending.set(batch.id, batch);
    return batch;
  }

  /** Portions of what is wanted and neither on its way nor confirmed. */
  needs(wanted: SyncItems, size: number): readonly Portion[] {
    const pending = emptyItems();
    for (const { portion } of this.#pending.values())
      if (portion.layer !== "announcements") for (const value of portion.values) pending[portion.layer].add(value);
    return portionsOf(findNeeds(wanted, pending, this.#confirmed), size);
  }

  /** False, and nothing happens, when the batch was dropped meanwhile. */
  confirm(batch: Batch): boolean {
    if (!this.isPending(batch)) return false;
    this.#pending.delete(batch.id);
    if (batch.portion.layer === "announcements") this.#announcementsSynced = true;
    else for (const value of batch.portion.values) this.#confirmed[batch.portion.layer].add(value);
    return true;
  }

  /** Forgets what is confirmed and wanted no more: when it is wanted again, it is asked for again. */
  retain(wanted: SyncItems): void {
    for (const layer of itemLayers)
      for (const item of this.#confirmed[layer]) if (!wanted[layer].has(item)) this.#confirmed[layer].delete(item);
  }

  /** What is confirmed is to be asked for again. */
  unconfirm(items: SyncItems): void {
    for (const layer of itemLayers) for (const item of items[layer]) this.#confirmed[layer].delete(item);
  }

  /** Ends what is on its way and gives it back. */
  drop(batches: readonly Batch[] = this.pending): readonly Batch[] {
    return batches.filter(({ id }) => this.#pending.delete(id));
  }

  /** Ends what is on its way and forgets what is confirmed; gives the former back. */
  clear(): readonly Batch[] {
    for (const layer of itemLayers) this.#confirmed[layer].clear();
    this.#announcementsSynced = false;
    return this.drop();
  }
}

export function describeBatch(batch: Batch): BatchSnapshot {
  const { id, portion, method, startedAtMs, retries, failed, pages, received, idsAsked, idsSeen } = batch;
  const counts = { retries, failed, pages, received, idsAsked, idsSeen };
  return { batchId: id, layer: portion.layer, method, items: portion.values.length, startedAt: startedAtMs, ...counts };
}
