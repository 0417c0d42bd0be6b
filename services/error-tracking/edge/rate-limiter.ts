import type { Clock } from "@signalbox/kernel";
import type { Category, RateLimit } from "@signalbox/sentry-protocol";
import { concerns, type OwnedQuota } from "../projects/quotas.js";
import type { QuotaWindows } from "./quota-windows.js";

/** Whose items are counted. */
export interface LimitedSender {
  readonly projectId: number;
  /** Those of the key, of its project and of the instance. */
  readonly quotas: readonly OwnedQuota[];
}

/** Decides whether an item may come in. Asking costs no waiting. */
export interface RateLimiter {
  /**
   * Counts items against every quota that concerns them. Or, when one of these is used up, counts nothing and returns the
   * limit that is over last.
   */
  take(sender: LimitedSender, category: Category, quantity?: number): RateLimit | undefined;
  /** As `take`, without counting what may come in: for items that may turn out to be none. */
  refuse(sender: LimitedSender, category: Category): RateLimit | undefined;
  /** All limits that hold for the sender now, whether or not they concern what it just sent. */
  standing(sender: LimitedSender): readonly RateLimit[];
}

/** Tells which projects get too much of the queue. */
export interface FairShare {
  note(projectId: number): void;
  /** For how long the project is to send no events; undefined while it may. */
  pauseMs(projectId: number): number | undefined;
}

export interface RateLimiterOptions {
  readonly windows: QuotaWindows;
  readonly clock: Clock;
  readonly share?: FairShare;
  /** True while there is too little space on disk for what is needed least: attachments. */
  readonly isDiskLow?: () => boolean;
  /** Called for each refusal. */
  readonly onRefused?: (limit: RateLimit, category: Category, quantity: number) => void;
}

const none: readonly RateLimit[] = [];

/** How long clients wait before they try again what was refused for want of space. */
const diskPauseMs = 60_000;
const noSpace: RateLimit = {
  retryAfterMs: diskPauseMs,
  categories: ["attachment"],
  scope: "organization",
  reason: "backpressure",
};

/** What the ledger says of an item that a limiter refused. */
export function ledgerReason({ reason }: RateLimit): "quota" | "storm" | "disk" {
  return reason === "backpressure" ? "disk" : reason;
}

export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const { windows, clock, share, isDiskLow = () => false, onRefused = () => {} } = options;

  const limitOf = (quota: OwnedQuota): RateLimit | undefined => {
    if (windows.used(quota) < quota.limit) return undefined;
    return {
      retryAfterMs: windows.endsAtMs(quota) - clock.nowMs(),
      categories: quota.categories,
      scope: quota.scope,
      reason: "quota",
    };
  };

  const stormOf = (projectId: number): RateLimit | undefined => {
    const retryAfterMs = share?.pauseMs(projectId);
    if (retryAfterMs === undefined) return undefined;
    return { retryAfterMs, categories: ["error"], scope: "project", reason: "storm" };
  };

  const find = ({ projectId, quotas }: LimitedSender, category: Category): RateLimit | undefined => {
    let longest = category === "error" ? stormOf(projectId) : undefined;
    if (category === "attachment" && isDiskLow()) longest = noSpace;
    for (const quota of quotas) {
      const limit = concerns(quota, category) ? limitOf(quota) : undefined;
      if (limit && (longest === undefined || limit.retryAfterMs > longest.retryAfterMs)) longest = limit;
    }
    return longest;
  };

  return {
    refuse(sender, category) {
      const limit = find(sender, category);
      if (limit) onRefused(limit, category, 1);
      return limit;
    },
    take(sender, category, quantity = 1) {
      const limit = find(sender, category);
      if (limit) {
        onRefused(limit, category, quantity);
        return limit;
      }
      for (const quota of sender.quotas) if (concerns(quota, category)) windows.add(quota, quantity);
      if (category === "error") share?.note(sender.projectId);
      return undefined;
    },
    standing(sender) {
      const limits = [stormOf(sender.projectId), ...sender.quotas.map(limitOf)].filter((limit) => limit !== undefined);
      if (isDiskLow()) limits.push(noSpace);
      return limits.length === 0 ? none : limits;
    },
  };
}
