import type { Category } from "@signalbox/sentry-protocol";

/** At most `limit` items of these categories (none: of all) in a window of `windowS` seconds. */
export interface Quota {
  readonly categories: readonly Category[];
  readonly limit: number;
  /** Windows begin at multiples of their length since the epoch. */
  readonly windowS: number;
}

/** Whom a quota is for; `organization` is everybody who sends to this instance. */
export type QuotaScope = "organization" | "project" | "key";

/** A quota of somebody. */
export interface OwnedQuota extends Quota {
  readonly scope: QuotaScope;
  /** Names what is counted. The limit is no part of it: a new limit holds for what was counted before, too. */
  readonly counter: string;
}

/** The quotas of one owner, ready to be counted. Of two that count the same the lower one holds. */
export function ownQuotas(scope: QuotaScope, owner: number, quotas: readonly Quota[]): OwnedQuota[] {
  const owned = new Map<string, OwnedQuota>();
  for (const quota of quotas) {
    const counter = `${scope}:${owner}:${quota.windowS}:${[...quota.categories].sort().join(";")}`;
    const known = owned.get(counter);
    if (known === undefined || quota.limit < known.limit) owned.set(counter, { ...quota, scope, counter });
  }
  return [...owned.values()];
}

export function concerns({ categories }: Quota, category: Category): boolean {
  return categories.length === 0 || categories.includes(category);
}
