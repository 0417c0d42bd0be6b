import type { Counter, Metrics } from "@signalbox/kernel";
import { type Category, isItemType, itemTypes } from "@signalbox/sentry-protocol";

/** How an item ended at the edge, before any event of it was published. */
export interface EdgeOutcome {
  readonly projectId: number;
  readonly keyId: number;
  /** Null for client reports, which belong to no quota. */
  readonly category: Category | null;
  /** As the client wrote it; `request` where no item was read. */
  readonly itemType: string;
  readonly outcome: "not_stored" | "duplicate" | "filtered" | "rate_limited" | "invalid";
  readonly reason: string;
  readonly quantity: number;
}

/** Takes outcomes without waiting. The ledger is one; it writes them soon afterwards. */
export type RecordOutcome = (outcome: EdgeOutcome) => void;

/** Counts outcomes and passes them on. Unknown item types share one label: clients could invent any number of them. */
export function createOutcomeCounter(metrics: Metrics, next: RecordOutcome = () => {}): RecordOutcome {
  const items: Counter = metrics.counter({
    name: "signalbox_error_tracking_items_total",
    help: "Items by how they ended.",
    labels: ["item_type", "outcome"],
    known: itemTypes.map((type) => ({ item_type: type, outcome: "invalid" })),
  });
  return (outcome) => {
    const itemType = isItemType(outcome.itemType) ? outcome.itemType : "other";
    items.add(outcome.quantity, { item_type: itemType, outcome: outcome.outcome });
    next(outcome);
  };
}
