import type { Analytics } from "@signalbox/analytics";

/** What happened to events of one type within a time. */
export interface TypeStatistics {
  readonly published: number;
  readonly attempts: number;
  /** Attempts that failed. */
  readonly failed: number;
  /** Duration of attempts; `null` without any. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

export const noTypeStatistics: TypeStatistics = Object.freeze({
  published: 0,
  attempts: 0,
  failed: 0,
  p50Ms: null,
  p95Ms: null,
});

/** What one subscription makes of what is published. */
export interface SubscriptionStatistics {
  /** Publishes that it was asked about. */
  readonly published: number;
  readonly conditionFalse: number;
  readonly meanConditionUs: number;
  /** Attempts that ended well. */
  readonly runs: number;
  /** Of those, where the handler said that it did not concern it. */
  readonly ignored: number;
}

export const noSubscriptionStatistics: SubscriptionStatistics = Object.freeze({
  published: 0,
  conditionFalse: 0,
  meanConditionUs: 0,
  runs: 0,
  ignored: 0,
});

/** By event type; types without rows are left out. */
export async function typeStatistics(
  analytics: Analytics,
  types: readonly string[],
  sinceMs: number,
): Promise<ReadonlyMap<string, TypeStatistics>> {
  if (types.length === 0) return new Map();
  const params = { types, since: new Date(sinceMs) };
  const [published, handled] = await Promise.all([
    analytics.query<{ event_type: string; published: string }>(
      `SELECT event_type, count() AS published FROM event_dispatches
       WHERE published_at >= {since:DateTime64(3)} AND event_type IN {types:Array(String)} GROUP BY event_type`,
      params,
    ),
    analytics.query<{ event_type: string; attempts: string; failed: string; p50: number; p95: number }>(
      `SELECT event_type, count() AS attempts, countIf(settlement IN ('retried', 'dead')) AS failed,
         quantile(0.5)(duration_ms) AS p50, quantile(0.95)(duration_ms) AS p95
       FROM event_attempts
       WHERE finished_at >= {since:DateTime64(3)} AND event_type IN {types:Array(String)} GROUP BY event_type`,
      params,
    ),
  ]);
  const statistics = new Map<string, TypeStatistics>();
  for (const row of published)
    statistics.set(row.event_type, { ...noTypeStatistics, published: Number(row.published) });
  for (const row of handled)
    statistics.set(row.event_type, {
      published: statistics.get(row.event_type)?.published ?? 0,
      attempts: Number(row.attempts),
      failed: Number(row.failed),
      p50Ms: row.p50,
      p95Ms: row.p95,
    });
  return statistics;
}

/** By subscription; those without rows are left out. */
export async function subscriptionStatistics(
  analytics: Analytics,
  sinceMs: number,
): Promise<ReadonlyMap<string, SubscriptionStatistics>> {
  const params = { since: new Date(sinceMs) };
  const [asked, handled] = await Promise.all([
    analytics.query<{ subscription: string; published: string; condition_false: string; mean_us: number }>(
      `SELECT subscription, count() AS published, countIf(decision = 'condition_false') AS condition_false,
         avg(condition) AS mean_us
       FROM event_dispatches
       ARRAY JOIN subscriptions AS subscription, decisions AS decision, condition_us AS condition
       WHERE published_at >= {since:DateTime64(3)} AND subscription != '' GROUP BY subscription`,
      params,
    ),
    analytics.query<{ subscription: string; runs: string; ignored_runs: string }>(
      `SELECT subscription, countIf(settlement = 'done') AS runs, countIf(ignored = 1) AS ignored_runs
       FROM event_attempts WHERE finished_at >= {since:DateTime64(3)} GROUP BY subscription`,
      params,
    ),
  ]);
  const statistics = new Map<string, SubscriptionStatistics>();
  for (const row of asked)
    statistics.set(row.subscription, {
      ...noSubscriptionStatistics,
      published: Number(row.published),
      conditionFalse: Number(row.condition_false),
      meanConditionUs: row.mean_us,
    });
  for (const row of handled)
    statistics.set(row.subscription, {
      ...(statistics.get(row.subscription) ?? noSubscriptionStatistics),
      runs: Number(row.runs),
      ignored: Number(row.ignored_runs),
    });
  return statistics;
}
