import { type ExperienceStore, identityKey, type Run, type RunIdentity } from "@signalbox/experience";
import { type Clock, createPace, type Logger, type Metrics, type Service } from "@signalbox/kernel";
import { createLoop } from "./loop.js";

/** Closes runs that are overdue. */
export interface Reaper {
  readonly service: Service;
  /** One bounded round: at most 5 s or 5,000 runs. Safe to call from several places at once. */
  tick(): Promise<TickResult>;
  /** Ends the present wait, as when a run may be due earlier than any before. */
  wake(): void;
}

export interface TickResult {
  readonly expired: number;
  /** Whether more are overdue, as far as the round could see. */
  readonly remaining: boolean;
  readonly oldestOverdueS: number;
}

export interface ReaperOptions {
  readonly store: ExperienceStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly lateStartGraceMs: number;
  readonly random?: () => number;
  /** Called with the runs of each batch. */
  readonly onDecided: (runs: readonly Run[]) => void;
}

const batchRuns = 200;
/** While there is a backlog: the store works on one batch while the other one is read, counted and told of. */
const batchesTogether = 2;
/** With its jitter at most a second, so that a run which opened meanwhile is closed in time too. */
const longestSleepMs = 900;
const tickLimits = { ms: 5_000, runs: 5_000 };
const maxTries = 3;
const asideMs = 3_600_000;
const behindAfterMs = 60_000;
const behindEveryMs = 60_000;
const lookBehindEveryMs = 1_000;

export function createReaper(options: ReaperOptions): Reaper {
  const { store, clock, logger, onDecided } = options;
  const random = options.random ?? Math.random;
  const metrics = createReaperMetrics(options.metrics, options.lateStartGraceMs);
  const tries = new Map<string, number>();
  const aside = new Map<string, number>();
  let warnedBehindMs = Number.NEGATIVE_INFINITY;
  let lastTurn = Promise.resolve();
  let lookedBehindMs = Number.NEGATIVE_INFINITY;

  const reapBatch = async () => {
    const startedMs = clock.monotonicMs();
    const { decided, failed, more } = await store.claimDue(batchRuns);
    if (decided.length > 0) {
      metrics.batch(decided, (clock.monotonicMs() - startedMs) / 1000);
      onDecided(decided);
    }
    for (const { identity, error } of failed) await countFailure(identity, error);
    metrics.succeeded(clock.nowMs());
    return { decided, more: more || failed.length > 0 };
  };

  /** A record that cannot be judged is tried again, then left alone for a while, so that it blocks no other. */
  const countFailure = async (identity: RunIdentity, error: unknown): Promise<void> => {
    const key = identityKey(identity);
    const failures = (tries.get(key) ?? 0) + 1;
    if (failures < maxTries) {
      tries.set(key, failures);
      return;
    }
    tries.delete(key);
    const nowMs = clock.nowMs();
    await store.putAside(identity, nowMs + asideMs);
    aside.set(key, nowMs + asideMs);
    for (const [other, untilMs] of aside) if (untilMs <= nowMs) aside.delete(other);
    metrics.quarantined(aside.size);
    logger.error("experience.record_quarantined", {
      covered_experience_id: identity.experienceId,
      experience_correlation_id: identity.correlationId,
      run: identity.run,
      aside_s: asideMs / 1000,
      error,
    });
  };

  const warnWhenBehind = async (): Promise<void> => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lookedBehindMs < lookBehindEveryMs || nowMs - warnedBehindMs < behindEveryMs) return;
    lookedBehindMs = nowMs;
    const dueMs = await store.nextDue();
    const overdueMs = dueMs === undefined ? 0 : clock.nowMs() - dueMs;
    if (overdueMs <= behindAfterMs) return;
    warnedBehindMs = nowMs;
    logger.warn("experience.reaper_behind", { oldest_overdue_s: overdueMs / 1000 });
  };

  /** Checkpoints have their turn between batches, however many of them are under way. */
  const nextTurn = (): Promise<void> => {
    lastTurn = lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)));
    return lastTurn;
  };

  const reapBacklog = async (signal: AbortSignal): Promise<void> => {
    const pace = createPace();
    for (let more = true; more && !signal.aborted; ) {
      await nextTurn();
      ({ more } = await reapBatch());
      await pace();
      if (more) await warnWhenBehind();
    }
  };

  const loop = createLoop({
    name: "experience reaper",
    clock,
    logger,
    async round(signal) {
      const { more } = await reapBatch();
      if (more) await Promise.all(Array.from({ length: batchesTogether }, () => reapBacklog(signal)));
      const dueMs = await store.nextDue();
      const untilDueMs = dueMs === undefined ? Number.POSITIVE_INFINITY : dueMs + 1 - clock.nowMs();
      const jitter = 0.9 + random() * 0.2;
      return Math.max(1, Math.min(untilDueMs, longestSleepMs * jitter));
    },
    onFailure: createOutageLog(logger),
  });

  return {
    service: loop.service,
    wake: () => loop.wake(),
    async tick() {
      const untilMs = clock.monotonicMs() + tickLimits.ms;
      let expired = 0;
      let remaining = true;
      while (remaining && expired < tickLimits.runs && clock.monotonicMs() < untilMs) {
        const batch = await reapBatch();
        expired += batch.decided.length;
        remaining = batch.more;
      }
      const dueMs = await store.nextDue();
      return {
        expired,
        remaining,
        oldestOverdueS: dueMs === undefined ? 0 : Math.max(0, clock.nowMs() - dueMs) / 1000,
      };
    },
  };
}

/** The store's outage has its own lines; a round that failed for it says nothing more. */
function createOutageLog(logger: Logger): (error: unknown) => void {
  return (error) => logger.debug("a round of the reaper failed and is repeated", { error });
}

function createReaperMetrics(metrics: Metrics, lateStartGraceMs: number) {
  const size = metrics.histogram({
    name: "signalbox_experience_reaper_batch_size",
    help: "Runs closed in one batch of the reaper.",
    buckets: [1, 5, 10, 25, 50, 100, 200],
  });
  const duration = metrics.histogram({
    name: "signalbox_experience_reaper_duration_seconds",
    help: "Duration of one batch of the reaper.",
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  });
  const lag = metrics.histogram({
    name: "signalbox_experience_reaper_lag_seconds",
    help: "Time between the moment a run was due and its decision.",
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 3600],
  });
  const lastSuccess = metrics.gauge({
    name: "signalbox_experience_reaper_last_success_timestamp_seconds",
    help: "When the reaper last looked for overdue runs without an error.",
  });
  const quarantined = metrics.gauge({
    name: "signalbox_experience_reaper_quarantined",
    help: "Records that could not be judged and are left alone for a while.",
  });
  return {
    batch(runs: readonly Run[], seconds: number) {
      size.observe(runs.length);
      duration.observe(seconds);
      for (const { state, verdict, start } of runs) {
        // A held end waited on purpose.
        if (!verdict || (state !== "timed_out" && state !== "orphaned")) continue;
        const dueMs = Math.max(verdict.verdictAtMs, start ? start.serverAtMs + lateStartGraceMs : 0);
        lag.observe(Math.max(0, verdict.decidedAtMs - dueMs) / 1000);
      }
    },
    succeeded: (nowMs: number) => lastSuccess.set(nowMs / 1000),
    quarantined: (count: number) => quarantined.set(count),
  };
}
