import {
  type ApplyResult,
  type Checkpoint,
  type ExperienceStore,
  type ProducerActivity,
  periodOf,
} from "@signalbox/experience";
import { type Clock, createServiceGroup, type Logger, type Service } from "@signalbox/kernel";
import { canaryId } from "./list-runs.js";
import { createLoop } from "./loop.js";

export interface ProducerActivityOptions {
  readonly store: Pick<ExperienceStore, "addActivity" | "activity">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with what was added to the store. */
  readonly onAdded?: (activity: readonly ProducerActivity[]) => Promise<void>;
}

/** What producers send: gathered in memory, and added to the store every few seconds, where it is summed over processes. */
export interface ProducerActivityBook {
  /** Costs a look into a map. Repetitions and what the store refused are not counted, nor is the tracker's own canary. */
  note(checkpoint: Checkpoint, result: ApplyResult): void;
  /** Sums of the producers of a tenant over the last hour, to five minutes more. */
  lastHour(tenant: string): Promise<readonly ProducerFigures[]>;
  /** Adds what was gathered at once. Rejects with what the store answers; then it is kept for the next time. */
  flush(): Promise<void>;
  readonly service: Service;
}

/** What one producer has sent of all types. */
export interface ProducerFigures {
  readonly producer: string;
  readonly checkpoints: number;
  readonly anomalous: number;
  readonly starts: number;
  readonly ends: number;
  readonly lastAtMs: number;
}

type Gathered = { -readonly [Key in keyof ProducerActivity]: ProducerActivity[Key] };

const flushEveryMs = 5_000;
/** Producers and types between two additions; who comes beyond is not followed. */
const maxGathered = 10_000;
const hourMs = 3_600_000;

export function createProducerActivity(options: ProducerActivityOptions): ProducerActivityBook {
  const { store, clock, logger } = options;
  let gathered = new Map<string, Gathered>();
  let flushing: Promise<void> = Promise.resolve();

  const entryOf = (checkpoint: Checkpoint, producer: string, atMs: number): Gathered | undefined => {
    const { tenant } = checkpoint.identity;
    const type = checkpoint.typeLabel;
    const fromMs = periodOf("five_minutes", atMs);
    const key = `${fromMs}|${tenant}|${type}|${producer}`;
    let entry = gathered.get(key);
    if (!entry && gathered.size < maxGathered) {
      entry = { tenant, producer, type, fromMs, checkpoints: 0, anomalous: 0, starts: 0, ends: 0, lastAtMs: atMs };
      gathered.set(key, entry);
    }
    return entry;
  };

  const addAll = async (): Promise<void> => {
    if (gathered.size === 0) return;
    const sent = gathered;
    gathered = new Map();
    try {
      await store.addActivity([...sent.values()]);
    } catch (error) {
      // Kept for the next time, together with what has come meanwhile.
      for (const [key, entry] of sent) {
        const newer = gathered.get(key);
        if (newer) addTo(newer, entry);
        else gathered.set(key, entry);
      }
      throw error;
    }
    await options.onAdded?.([...sent.values()]);
  };

  /** One after the other, so that nothing is sent twice. */
  const flush = (): Promise<void> => {
    const mine = flushing.then(addAll);
    flushing = mine.catch(() => {});
    return mine;
  };

  const { service } = createLoop({
    name: "experience producer activity",
    clock,
    logger,
    async round() {
      await flush();
      return flushEveryMs;
    },
    pauseAfterFailureMs: flushEveryMs,
    onFailure: (error) => logger.debug("what producers have sent cannot be added to the store yet", { error }),
  });

  return {
    note(checkpoint, result) {
      if (result.result !== "applied" && result.result !== "recorded") return;
      const { producer, identity, kind } = checkpoint;
      if (producer === undefined || identity.experienceId === canaryId) return;
      const { serverAtMs } = result.answer;
      const entry = entryOf(checkpoint, producer, serverAtMs);
      if (!entry) return;
      entry.checkpoints++;
      if (result.anomalies.length > 0) entry.anomalous++;
      if (kind === "start") entry.starts++;
      else if (kind === "end") entry.ends++;
      if (serverAtMs > entry.lastAtMs) entry.lastAtMs = serverAtMs;
    },
    async lastHour(tenant) {
      const activity = await store.activity("five_minutes", periodOf("five_minutes", clock.nowMs() - hourMs));
      return sumByProducer(activity.filter((sent) => sent.tenant === tenant));
    },
    flush,
    service: createServiceGroup("experience producer activity", [
      { name: "rest of the producer activity", start: async () => {}, stop: () => flush().catch(() => {}) },
      service,
    ]),
  };
}

/** By producer, whatever the types and periods. */
export function sumByProducer(activity: readonly ProducerActivity[]): ProducerFigures[] {
  const sums = new Map<string, Gathered>();
  for (const sent of activity) {
    const sum = sums.get(sent.producer);
    if (sum) addTo(sum, sent);
    else sums.set(sent.producer, { ...sent });
  }
  return [...sums.values()].map(({ producer, checkpoints, anomalous, starts, ends, lastAtMs }) => ({
    producer,
    checkpoints,
    anomalous,
    starts,
    ends,
    lastAtMs,
  }));
}

function addTo(sum: Gathered, sent: ProducerActivity): void {
  sum.checkpoints += sent.checkpoints;
  sum.anomalous += sent.anomalous;
  sum.starts += sent.starts;
  sum.ends += sent.ends;
  sum.lastAtMs = Math.max(sum.lastAtMs, sent.lastAtMs);
}
