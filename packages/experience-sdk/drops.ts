/** Why a checkpoint was given up. */
export const dropReasons = ["queue_full", "too_large", "rejected", "expired", "closed"] as const;

export type DropReason = (typeof dropReasons)[number];

export type DropCounts = Readonly<Record<DropReason, number>>;

/** Counts what was given up, in all and since the tracker was last told. */
export interface Drops {
  count(reason: DropReason): void;
  readonly totals: DropCounts;
  /**
   * Takes what the tracker has not been told yet. The caller gives it back when the request fails, so that two requests
   * at once never tell the same.
   */
  takeReport(): DropReport | undefined;
  giveBack(report: DropReport | undefined): void;
}

export type DropReport = ReadonlyMap<DropReason, number>;

export function createDrops(onDrop?: (reason: DropReason) => void): Drops {
  const totals = { queue_full: 0, too_large: 0, rejected: 0, expired: 0, closed: 0 };
  let untold = new Map<DropReason, number>();
  return {
    count(reason) {
      totals[reason]++;
      untold.set(reason, (untold.get(reason) ?? 0) + 1);
      onDrop?.(reason);
    },
    get totals() {
      return { ...totals };
    },
    takeReport() {
      if (untold.size === 0) return undefined;
      const report = untold;
      untold = new Map();
      return report;
    },
    giveBack(report) {
      for (const [reason, count] of report ?? []) untold.set(reason, (untold.get(reason) ?? 0) + count);
    },
  };
}

/** `queue_full=3,expired=1` */
export function formatReport(report: DropReport | undefined): string | undefined {
  return report && [...report].map(([reason, count]) => `${reason}=${count}`).join(",");
}
