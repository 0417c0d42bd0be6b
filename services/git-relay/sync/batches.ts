import { type Portion, portionsOf } from "./filters.js";
import {
  emptyItems,
  findNeeds,
  type ItemLayer,
  type ItemLookup,
  itemLayers,
  noItems,
  type SyncItems,
} from "./items.js";
import type { BatchSnapshot, OutstandingSubscription, SyncMethod } from "./snapshot.js";

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
  /** What is asked for and not answered to its end. */
  readonly outstanding: Set<OutstandingSubscription>;
  /** Ids that a reconciliation found missing, and those of them that came. */
  readonly idsAsked: Set<string>;
  readonly idsSeen: Set<string>;
}

export interface NewBatch {
  readonly portion: Portion;
  readonly since?: number | undefined;
  readonly method: SyncMethod;
}

/** How long a failed batch waits before each further try; after the last it has failed for good. */
export const retryDelaysMs: readonly number[] = [60_000, 300_000, 1_800_000];

/**
 * What is wanted of a peer, what of that it was asked for, and what is proven synced. Batches are confirmed each on its own
 * and in any order; one that was dropped cannot be confirmed any more.
 */
export class BatchLedger {
  readonly #pending = new Map<string, Batch>();
  #wanted: SyncItems = noItems;
  /** Nearly all that is wanted is proven most of the time, so what is not takes less room. */
  readonly #unproven = emptyItems();
  #announcementsSynced = false;
  #made = 0;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get wanted(): SyncItems {
    return this.#wanted;
  }

  /** Gathered anew each time. */
  get confirmed(): SyncItems {
    const of = (layer: ItemLayer): ReadonlySet<string> => new Set(this.confirmedOf(layer));
    return { states: of("states"), repositories: of("repositories"), roots: of("roots") };
  }

  confirmedOf(layer: ItemLayer): readonly string[] {
    return [...this.#wanted[layer]].filter((item) => !this.#unproven[layer].has(item));
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
      outstanding: new Set(),
      idsAsked: new Set(),
      idsSeen: new Set(),
    };
    this.#pending.set(batch.id, batch);
    return batch;
  }

  /** Says what is wanted from now on. What is no longer wanted is asked for again when it is once more. */
  want(items: SyncItems): void {
    for (const layer of itemLayers) {
      const unproven = this.#unproven[layer];
      for (const item of unproven) if (!items[layer].has(item)) unproven.delete(item);
      for (const item of items[layer]) if (!this.#wanted[layer].has(item)) unproven.add(item);
    }
    this.#wanted = items;
  }

  /** Portions of what is wanted and neither on its way nor confirmed. */
  needs(size: number): readonly Portion[] {
    const pending = emptyItems();
    for (const { portion } of this.#pending.values())
      if (portion.layer !== "announcements") for (const value of portion.values) pending[portion.layer].add(value);
    const lookUp = (layer: ItemLayer): ItemLookup[ItemLayer] => ({ has: (item) => !this.#unproven[layer].has(item) });
    const confirmed = { states: lookUp("states"), repositories: lookUp("repositories"), roots: lookUp("roots") };
    return portionsOf(findNeeds(this.#wanted, pending, confirmed), size);
  }

  /** False, and nothing happens, when the batch was dropped meanwhile. */
  confirm(batch: Batch): boolean {
    if (!this.isPending(batch)) return false;
    this.#pending.delete(batch.id);
    if (batch.portion.layer === "announcements") this.#announcementsSynced = true;
    else for (const value of batch.portion.values) this.#unproven[batch.portion.layer].delete(value);
    return true;
  }

  /** What is confirmed is to be asked for again. */
  unconfirm(items: SyncItems): void {
    for (const layer of itemLayers)
      for (const item of items[layer]) if (this.#wanted[layer].has(item)) this.#unproven[layer].add(item);
  }

  /** Ends what is on its way and gives it back. */
  drop(batches: readonly Batch[] = this.pending): readonly Batch[] {
    return batches.filter(({ id }) => this.#pending.delete(id));
  }

  /** Ends what is on its way and forgets what is confirmed; gives the former back. */
  clear(): readonly Batch[] {
    this.unconfirm(this.#wanted);
    this.#announcementsSynced = false;
    return this.drop();
  }
}

export function describeBatch(batch: Batch): BatchSnapshot {
  const { id, portion, since, method, startedAtMs, retries, failed, pages, received, outstanding } = batch;
  return {
    batchId: id,
    layer: portion.layer,
    items: portion.values,
    since: since ?? null,
    method,
    startedAt: startedAtMs,
    retries,
    failed,
    pages,
    received,
    outstanding: [...outstanding].map((subscription) => ({
      filter: subscription.filter,
      received: subscription.received,
      smallestCreatedAt: subscription.smallestCreatedAt,
      idsAtSmallest: new Set(subscription.idsAtSmallest),
    })),
    idsAsked: batch.idsAsked.size,
    idsSeen: batch.idsSeen.size,
  };
}
