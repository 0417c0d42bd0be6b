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

/** Where events of one type came from. */
export interface Publisher {
  /** What the chain of events began with, as `POST /pipelines`; `null` when nobody said. */
  readonly caller: string | null;
  /** Type of the event that was being handled; `null`: none, or it is not logged. */
  readonly handling: string | null;
  readonly published: number;
}

/** Looked at to find out who publishes; older ones say the same. */
const eventsLookedAt = 20_000;
const publishersShown = 10;

/** By event type, those who published most first; types without rows are left out. */
export async function publishersOf(
  analytics: Analytics,
  types: readonly string[],
  sinceMs: number,
): Promise<ReadonlyMap<string, readonly Publisher[]>> {
  if (types.length === 0) return new Map();
  const newest = `SELECT event_type, root_caller, causation_id FROM event_dispatches
    WHERE published_at >= {since:DateTime64(3)} AND event_type IN {types:Array(String)}
    ORDER BY published_at DESC LIMIT ${eventsLookedAt}`;
  const rows = await analytics.query<{ type: string; caller: string; handling: string; published: string }>(
    `SELECT newest.event_type AS type, newest.root_caller AS caller, cause.event_type AS handling, count() AS published
     FROM (${newest}) AS newest
     LEFT JOIN (SELECT event_id, any(event_type) AS event_type FROM event_dispatches
       WHERE event_id IN (SELECT causation_id FROM (${newest}) WHERE causation_id != '') GROUP BY event_id) AS cause
     ON newest.causation_id = cause.event_id
     GROUP BY type, caller, handling ORDER BY published DESC, caller, handling LIMIT ${publishersShown} BY type`,
    { types, since: new Date(sinceMs) },
  );
  const publishers = new Map<string, Publisher[]>();
  for (const { type, caller, handling, published } of rows) {
    const known = publishers.get(type) ?? [];
    known.push({ caller: caller || null, handling: handling || null, published: Number(published) });
    publishers.set(type, known);
  }
  return publishers;
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

/** How a subscriber got on with its work, as far as that is logged. */
export interface WorkStatistics {
  readonly handled: number;
  readonly retried: number;
  readonly dead: number;
  /** How long handling took. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** How long work waited once it could be handled. */
  readonly waitP95Ms: number;
  /** Attempts in parts of the time, oldest first. */
  readonly perPart: readonly number[];
}

/** By subscriber; those without attempts are left out. A subscription is called subscriber/event. */
export async function workStatistics(
  analytics: Analytics,
  sinceMs: number,
  untilMs: number,
  parts: number,
): Promise<ReadonlyMap<string, WorkStatistics>> {
  const partMs = Math.ceil((untilMs - sinceMs) / parts);
  const subscriber = "splitByChar('/', subscription)[1]";
  const rows = await analytics.query<{
    subscriber: string;
    handled: string;
    retried: string;
    dead: string;
    p50: number;
    p95: number;
    wait_p95: number;
    counts: readonly (readonly [part: number | string, attempts: number | string])[];
  }>(
    `SELECT subscriber, sum(handled_here) AS handled, sum(retried_here) AS retried, sum(dead_here) AS dead,
       quantileMerge(0.5)(durations) AS p50, quantileMerge(0.95)(durations) AS p95, quantileMerge(0.95)(waits) AS wait_p95,
       groupArray((part, attempts)) AS counts
     FROM (SELECT ${subscriber} AS subscriber,
         intDiv(toUnixTimestamp64Milli(finished_at) - {from:Int64}, {part:Int64}) AS part, count() AS attempts,
         countIf(settlement = 'done') AS handled_here, countIf(settlement = 'retried') AS retried_here,
         countIf(settlement = 'dead') AS dead_here,
         quantileState(duration_ms) AS durations, quantileState(scheduling_latency_ms) AS waits
       FROM event_attempts
       WHERE finished_at >= {since:DateTime64(3)} AND finished_at < {until:DateTime64(3)} GROUP BY subscriber, part)
     GROUP BY subscriber`,
    { since: new Date(sinceMs), until: new Date(untilMs), from: sinceMs, part: partMs },
  );
  return new Map(
    rows.map((row) => {
      const perPart = Array.from({ length: parts }, () => 0);
      for (const [part, attempts] of row.counts)
        perPart[Math.min(parts - 1, Math.max(0, Number(part)))] = Number(attempts);
      const { handled, retried, dead, p50, p95, wait_p95: waitP95Ms } = row;
      return [
        row.subscriber,
        {
          handled: Number(handled),
          retried: Number(retried),
          dead: Number(dead),
          p50Ms: p50,
          p95Ms: p95,
          waitP95Ms,
          perPart,
        },
      ];
    }),
  );
}
