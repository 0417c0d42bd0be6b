import {
  ExperienceError,
  type ExperienceStore,
  type Gap,
  gapAfterMs,
  type HeartbeatResult,
} from "@signalbox/experience";
import { type Clock, errorMessage, type Logger, type Service } from "@signalbox/kernel";
import { createLoop } from "./loop.js";

export interface HeartbeatOptions {
  readonly store: ExperienceStore;
  readonly replica: string;
  /** Whether every replica shows the counters of all on its `/metrics`. */
  readonly inlineMetrics: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface StoreWatch {
  readonly service: Service;
  /** Why the store cannot be used; `undefined` while it answers. */
  readonly down: string | undefined;
  /** Resolves when the store answers and took the last beat. @throws what it answers with. */
  check(): Promise<void>;
  /**
   * Beats at once when this process was silent for long enough to be a gap, or when its clock has jumped: because it stood
   * still, because the store was away, because somebody set the time. Otherwise `undefined`.
   * @throws what the store answers with
   */
  noticeSilence(): Promise<void> | undefined;
  /** Gaps of the last 90 days, as far as this process knows. */
  readonly gaps: readonly Gap[];
}

const beatEveryMs = 5_000;
const retryMs = 500;
const riskEveryMs = 600_000;
const gapsMs = 90 * 86_400_000;

/** Says to the store that this process takes checkpoints, and to the log when the store is away or was blind. */
export function createHeartbeat({ store, replica, inlineMetrics, clock, logger }: HeartbeatOptions): StoreWatch {
  let downSinceMs: number | undefined;
  let failure: { readonly error: unknown } | undefined;
  let warnedRiskMs = Number.NEGATIVE_INFINITY;
  let gaps: readonly Gap[] = [];
  /** The last beat that was written: by the clock that deadlines go by, and by the one that nobody sets. */
  let heard: { readonly atMs: number; readonly monotonicMs: number } | undefined;
  /** Beats that wait for the store. While one does, the process is there and the store is not. */
  let waiting = 0;
  let noticing: Promise<void> | undefined;
  let first: { readonly others: ReadonlySet<string>; readonly atMs: number } | undefined;

  /** Who was there before this process may be the one that it follows, until as much time has passed as a beat is good for. */
  const othersLive = (alive: readonly string[]): boolean => {
    const others = alive.filter((name) => name !== replica);
    first ??= { others: new Set(others), atMs: clock.monotonicMs() };
    const { others: before, atMs } = first;
    return others.some((name) => !before.has(name) || clock.monotonicMs() - atMs > gapAfterMs);
  };

  /** Whichever clock says more: one stands still while a machine sleeps, the other may be set. */
  const silentMs = (since: NonNullable<typeof heard>): number =>
    Math.max(clock.nowMs() - since.atMs, clock.monotonicMs() - since.monotonicMs);

  /** A store that does not answer for so long is away, though it may answer in the end. */
  const written = async (): Promise<HeartbeatResult> => {
    const tooLong = clock.setTimer(gapAfterMs, () =>
      failed(new ExperienceError("state_store_unavailable", { message: "The store does not answer" })),
    );
    waiting++;
    try {
      return await store.heartbeat({
        replica,
        reason: downSinceMs === undefined && waiting === 1 ? "tracker_down" : "store_down",
        ...(heard && { silentMs: silentMs(heard) }),
      });
    } finally {
      waiting--;
      tooLong.cancel();
    }
  };

  const beat = async (): Promise<void> => {
    const result = await written();
    if (downSinceMs !== undefined)
      logger.info("experience.store_up", { outage_s: (clock.monotonicMs() - downSinceMs) / 1000 });
    downSinceMs = undefined;
    failure = undefined;
    heard = { atMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
    if (result.gap) {
      const { fromMs, toMs, reason: cause } = result.gap;
      logger.warn("experience.gap_recorded", {
        from: new Date(fromMs).toISOString(),
        to: new Date(toMs).toISOString(),
        gap_s: (toMs - fromMs) / 1000,
        reason: cause,
      });
    }
    if (othersLive(result.alive) && inlineMetrics && clock.monotonicMs() - warnedRiskMs > riskEveryMs) {
      warnedRiskMs = clock.monotonicMs();
      logger.warn("experience.double_count_risk", { replicas: result.alive.length });
    }
    gaps = await store.gaps(clock.nowMs() - gapsMs);
  };

  const failed = (error: unknown): void => {
    failure = { error };
    if (downSinceMs !== undefined) return;
    downSinceMs = clock.monotonicMs();
    logger.warn("experience.store_down", { error });
  };

  const beatOrFail = async (): Promise<void> => {
    try {
      await beat();
    } catch (error) {
      failed(error);
      throw error;
    } finally {
      noticing = undefined;
    }
  };

  const loop = createLoop({
    name: "experience heartbeat",
    clock,
    logger,
    async round() {
      await beat();
      return beatEveryMs;
    },
    pauseAfterFailureMs: retryMs,
    onFailure: failed,
  });

  return {
    service: {
      name: "experience heartbeat",
      async start() {
        // The first beat finds the gap before anything is taken or expires.
        await beat().catch(failed);
        await loop.service.start();
      },
      stop: (options) => loop.service.stop(options),
    },
    get down() {
      return failure && errorMessage(failure.error);
    },
    get gaps() {
      return gaps;
    },
    async check() {
      await store.health();
      // A store that is full or read-only answers, but takes nothing. Beats are written, so the last one knows.
      if (failure) throw failure.error;
    },
    noticeSilence() {
      if (!heard || Math.abs(clock.nowMs() - heard.atMs) <= gapAfterMs) return undefined;
      noticing ??= beatOrFail();
      return noticing;
    },
  };
}

/**
 * The same store, in which a silence is noticed before anything expires. Whoever comes first after it would otherwise take
 * it for a delay of the runs: the reaper, or the very checkpoint that waited for the tracker.
 */
export function noticingSilence(store: ExperienceStore, watch: Pick<StoreWatch, "noticeSilence">): ExperienceStore {
  const afterNoticing = <T>(work: () => Promise<T>): Promise<T> => watch.noticeSilence()?.then(work) ?? work();
  return {
    ...store,
    apply: (checkpoints) => afterNoticing(() => store.apply(checkpoints)),
    claimDue: (limit) => afterNoticing(() => store.claimDue(limit)),
  };
}
