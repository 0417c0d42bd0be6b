/** What one producer has sent of one type in one period. */
export interface ProducerActivity {
  readonly tenant: string;
  readonly producer: string;
  /** `type` where it is configured, else `other`. */
  readonly type: string;
  /** Beginning of the period. */
  readonly fromMs: number;
  /** Those that were recorded; repetitions are not among them. */
  readonly checkpoints: number;
  /** Of these: with an anomaly. */
  readonly anomalous: number;
  readonly starts: number;
  readonly ends: number;
  /** When the last one came. */
  readonly lastAtMs: number;
}

/** How finely it is told, and for how long it is known. */
export const activityPeriods = {
  five_minutes: { lengthMs: 300_000, keptMs: 2 * 3_600_000 },
  hour: { lengthMs: 3_600_000, keptMs: 48 * 3_600_000 },
} as const;

export type ActivityPeriod = keyof typeof activityPeriods;

export const everyActivityPeriod = ["five_minutes", "hour"] as const satisfies readonly ActivityPeriod[];

/** Beginning of the period in which a moment is. */
export function periodOf(period: ActivityPeriod, atMs: number): number {
  return atMs - (atMs % activityPeriods[period].lengthMs);
}

/** The same by longer periods, one entry for each producer and type; always in the same order. */
export function gatherActivity(
  period: ActivityPeriod,
  activity: readonly ProducerActivity[],
): ReadonlyMap<string, ProducerActivity> {
  const gathered = new Map<string, ProducerActivity>();
  for (const sent of activity) {
    const fromMs = periodOf(period, sent.fromMs);
    const key = `${fromMs}|${sent.tenant}|${sent.type}|${sent.producer}`;
    const before = gathered.get(key);
    gathered.set(key, before ? addActivities(before, sent) : { ...sent, fromMs });
  }
  return new Map([...gathered].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function addActivities(one: ProducerActivity, other: ProducerActivity): ProducerActivity {
  return {
    ...one,
    checkpoints: one.checkpoints + other.checkpoints,
    anomalous: one.anomalous + other.anomalous,
    starts: one.starts + other.starts,
    ends: one.ends + other.ends,
    lastAtMs: Math.max(one.lastAtMs, other.lastAtMs),
  };
}
