import { type Clock, systemClock } from "@signalbox/kernel";
import {
  type ActivityPeriod,
  activityPeriods,
  everyActivityPeriod,
  gatherActivity,
  type ProducerActivity,
} from "./activity.js";
import type { CounterKey } from "./counters.js";
import { ExperienceError } from "./errors.js";
import { judgeBeat, untilNow } from "./judge-beat.js";
import { type OutboxRecord, recordKey } from "./outbox.js";
import { defaultRules, type Rules } from "./rules.js";
import { type Checkpoint, identityKey, isFinal, type Run, type TimelineEntry } from "./run.js";
import {
  type ApplyResult,
  type ExperienceStore,
  type Gap,
  type ListCursor,
  outboxLeaseMs,
  type RunFilter,
  type SilenceGap,
  type StoreHealth,
} from "./store.js";
import { advance, type Expiry, expire, isForgotten, lastMomentMs, type Situation } from "./transition.js";

export interface MemoryStoreOptions {
  readonly clock?: Clock;
  readonly rules?: Partial<Rules>;
}

interface Held {
  run: Run;
  readonly timeline: TimelineEntry[];
  /** Until when the reaper leaves it alone. */
  asideUntilMs: number;
}

/** Keeps runs in this process; for tests and for applications that try their journeys. */
export function createMemoryStore(options: MemoryStoreOptions = {}): ExperienceStore {
  const clock = options.clock ?? systemClock;
  const rules: Rules = { ...defaultRules, ...options.rules };
  const records = new Map<string, Held>();
  const counters = new Map<CounterKey, number>();
  const outbox = new Map<string, { readonly record: OutboxRecord; leasedUntilMs: number }>();
  const alive = new Map<string, number>();
  const gaps: Gap[] = [];
  const silences = new Map<string, SilenceGap>();
  const activity = new Map<ActivityPeriod, readonly ProducerActivity[]>();
  let holdUntilMs = 0;
  let closed = false;

  const requireOpen = (): void => {
    if (closed) throw new ExperienceError("state_store_unavailable", { message: "The store is closed" });
  };

  const situation = (): Situation => ({ rules, holdUntilMs });

  const commit = (step: Expiry): void => {
    for (const key of step.counts) counters.set(key, (counters.get(key) ?? 0) + 1);
    for (const [key, change] of step.gauges) counters.set(key, (counters.get(key) ?? 0) + change);
    for (const record of step.records) outbox.set(recordKey(record), { record, leasedUntilMs: 0 });
  };

  const applyOne = (checkpoint: Checkpoint): ApplyResult => {
    const key = identityKey(checkpoint.identity);
    const held = records.get(key);
    const seen = held?.timeline.find(({ eventKey }) => eventKey === checkpoint.eventKey);
    const step = advance(held?.run, checkpoint, clock.nowMs(), situation(), seen);
    if (step.result === "rejected") return step;
    const kept = held && !step.startsAnew ? held : { run: step.run, timeline: [], asideUntilMs: 0 };
    kept.run = step.run;
    kept.asideUntilMs = 0;
    if (step.entry) kept.timeline.push(step.entry);
    records.set(key, kept);
    commit(step);
    const { result, run, answer, anomalies } = step;
    return { result, run, answer, anomalies, outboxed: step.records.length };
  };

  /** Active runs, nearest due first. */
  const active = (): Held[] =>
    [...records.values()]
      .filter(({ run }) => run.dueMs !== undefined)
      .sort((a, b) => (a.run.dueMs ?? 0) - (b.run.dueMs ?? 0) || compareText(keyOf(a.run), keyOf(b.run)));

  const due = (): Held[] => {
    const nowMs = clock.nowMs();
    return active().filter(
      ({ run, asideUntilMs }) => nowMs > Math.max(lastMomentMs(run.dueMs ?? 0, holdUntilMs), asideUntilMs),
    );
  };

  const nextDueMs = (): number | undefined => {
    const moments = active().map(({ run, asideUntilMs }) =>
      Math.max(lastMomentMs(run.dueMs ?? 0, holdUntilMs), asideUntilMs),
    );
    return moments.length === 0 ? undefined : Math.min(...moments);
  };

  const forget = (): void => {
    const nowMs = clock.nowMs();
    for (const [key, { run }] of records) if (isForgotten(run, nowMs, rules)) records.delete(key);
  };

  return {
    async apply(checkpoints) {
      requireOpen();
      return checkpoints.map(applyOne);
    },
    async claimDue(limit) {
      requireOpen();
      forget();
      const overdue = due();
      const decided = overdue.slice(0, limit).flatMap((held) => {
        const step = expire(held.run, clock.nowMs(), situation());
        if (!step) return [];
        held.run = step.run;
        commit(step);
        return [step.run];
      });
      return { decided, failed: [], more: overdue.length > limit };
    },
    nextDue: async () => nextDueMs(),
    async putAside(identity, untilMs) {
      const held = records.get(identityKey(identity));
      if (held) held.asideUntilMs = untilMs;
    },
    async get(identity) {
      const held = records.get(identityKey(identity));
      if (!held || isForgotten(held.run, clock.nowMs(), rules)) return undefined;
      return { run: held.run, timeline: [...held.timeline] };
    },
    async list(filter, { limit, after }) {
      const found = [...records.values()]
        .map(({ run }) => ({ run, cursor: cursorOf(run, filter) }))
        .filter(({ run, cursor }) => cursor !== undefined && passes(run, filter))
        .sort((a, b) => compareCursors(a.cursor, b.cursor, filter))
        .filter(({ cursor }) => !after || compareCursors(cursor, after, filter) > 0);
      const page = found.slice(0, limit);
      return { runs: page.map(({ run }) => run), next: found.length > limit ? page.at(-1)?.cursor : undefined };
    },
    counters: async () => new Map(counters),
    async takeOutbox(limit) {
      const nowMs = clock.nowMs();
      const taken = [...outbox].slice(0, limit);
      if (taken.some(([, { leasedUntilMs }]) => leasedUntilMs > nowMs)) return [];
      return taken.map(([id, item]) => {
        item.leasedUntilMs = nowMs + outboxLeaseMs;
        return { id, record: item.record };
      });
    },
    async ackOutbox(ids) {
      for (const id of ids) outbox.delete(id);
    },
    async heartbeat(beat) {
      const nowMs = clock.nowMs();
      const found = judgeBeat(beat, { beats: alive, holdUntilMs }, nowMs, rules);
      if (found.gap) gaps.push(found.gap);
      holdUntilMs = found.holdUntilMs;
      for (const name of found.gone) alive.delete(name);
      alive.set(beat.replica, nowMs);
      return { gap: found.gap, alive: found.alive };
    },
    async gaps(sinceMs) {
      const nowMs = clock.nowMs();
      const silent = [...silences.values()].map((gap) => untilNow(gap, nowMs));
      return [...gaps, ...silent].filter(({ toMs }) => toMs > sinceMs).sort((a, b) => a.fromMs - b.fromMs);
    },
    async recordSilence(gap) {
      const { tenant, producer, goesOn } = gap.silence;
      const key = `${gap.fromMs}|${tenant}|${producer}`;
      const known = silences.get(key);
      if (known && (goesOn || !known.silence.goesOn)) return false;
      silences.set(key, gap);
      return true;
    },
    async addActivity(added) {
      for (const period of everyActivityPeriod) {
        const known = [...(activity.get(period) ?? []), ...added];
        activity.set(period, [...gatherActivity(period, known).values()]);
      }
    },
    async activity(period, sinceMs) {
      const oldestMs = Math.max(sinceMs, clock.nowMs() - activityPeriods[period].keptMs);
      return (activity.get(period) ?? []).filter(({ fromMs }) => fromMs >= oldestMs);
    },
    async health(): Promise<StoreHealth> {
      const [oldest] = outbox.values();
      return {
        nowMs: clock.nowMs(),
        outboxRecords: outbox.size,
        outboxOldestAtMs: oldest?.record.atMs,
        nextDueMs: nextDueMs(),
        warnings: ["Everything is lost when the process ends"],
      };
    },
    async close() {
      closed = true;
    },
  };
}

function keyOf(run: Run): string {
  return identityKey(run.identity);
}

/** Where a run stands in a listing; `undefined` when the listing is not about it. */
function cursorOf(run: Run, { decidedAfterMs }: RunFilter): ListCursor | undefined {
  const atMs = decidedAfterMs === undefined ? run.dueMs : run.verdict?.decidedAtMs;
  if (atMs === undefined || (decidedAfterMs !== undefined && !isFinal(run.state))) return undefined;
  return { atMs, key: keyOf(run) };
}

function passes(run: Run, { tenant, experienceIds, states, decidedAfterMs, matches }: RunFilter): boolean {
  const { identity } = run;
  if (identity.tenant !== tenant) return false;
  if (experienceIds && !experienceIds.includes(identity.experienceId)) return false;
  if (states && !states.includes(run.state)) return false;
  if (decidedAfterMs !== undefined && (run.verdict?.decidedAtMs ?? 0) <= decidedAfterMs) return false;
  return matches?.(run) ?? true;
}

function compareCursors(a: ListCursor | undefined, b: ListCursor | undefined, { decidedAfterMs }: RunFilter): number {
  if (!a || !b) return 0;
  const byTime = decidedAfterMs === undefined ? a.atMs - b.atMs : b.atMs - a.atMs;
  return byTime || compareText(a.key, b.key);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
