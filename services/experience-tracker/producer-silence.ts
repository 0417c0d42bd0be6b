import {
  activityPeriods,
  type ExperienceStore,
  type Gap,
  type ProducerActivity,
  periodOf,
  type Silence,
  type SilenceGap,
} from "@signalbox/experience";
import type { Clock, Logger, Service } from "@signalbox/kernel";
import { createLoop } from "./loop.js";

export interface ProducerSilenceOptions {
  readonly store: Pick<ExperienceStore, "activity" | "gaps" | "recordSilence">;
  readonly replica: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Notices producers that always had something to send and do not send any more. */
export interface ProducerSilence {
  /** Ends the silence of those who have just been heard. Nothing is asked of the store while nobody is silent. */
  heard(activity: readonly ProducerActivity[]): Promise<void>;
  /** Looks at all producers once. */
  look(): Promise<void>;
  readonly service: Service;
}

const lookEveryMs = 60_000;
const silentAfterMs = 600_000;
/** Who is not heard for longer is gone, and misses nothing any more. */
const goneAfterMs = 86_400_000;
const steadyHours = 24;
const steadyPerHour = 100;
const { lengthMs: hourMs } = activityPeriods.hour;

export function createProducerSilence({ store, replica, clock, logger }: ProducerSilenceOptions): ProducerSilence {
  let silent: readonly SilenceGap[] = [];

  const begin = async ({ tenant, producer, types, lastAtMs }: Producer, nowMs: number): Promise<void> => {
    const silence: Silence = { tenant, producer, types, goesOn: true };
    const gap: SilenceGap = { fromMs: lastAtMs, toMs: nowMs, reason: "producer_silent", replica, silence };
    if (!(await store.recordSilence(gap))) return;
    logger.warn("experience.producer_silent", {
      producer,
      tenant,
      types,
      last_at: new Date(lastAtMs).toISOString(),
      silent_s: (nowMs - lastAtMs) / 1000,
    });
  };

  const end = async (gap: SilenceGap, toMs: number, isHeard: boolean): Promise<void> => {
    const over: SilenceGap = { ...gap, toMs, replica, silence: { ...gap.silence, goesOn: false } };
    if (!(await store.recordSilence(over))) return;
    const { producer, tenant } = gap.silence;
    logger.info("experience.producer_silence_ended", {
      producer,
      tenant,
      silent_s: (toMs - gap.fromMs) / 1000,
      heard: isHeard,
    });
  };

  const endOf = async (gap: SilenceGap, lastAtMs: number | undefined, nowMs: number): Promise<void> => {
    if (lastAtMs !== undefined && lastAtMs > gap.fromMs) await end(gap, lastAtMs, true);
    else if (nowMs - gap.fromMs > goneAfterMs) await end(gap, gap.fromMs + goneAfterMs, false);
  };

  const look = async (): Promise<void> => {
    const nowMs = clock.nowMs();
    const producers = producersOf(await store.activity("hour", 0));
    const gaps = await store.gaps(nowMs - activityPeriods.hour.keptMs);
    // While nothing could arrive from anybody, nobody was silent.
    const arrivingSinceMs = Math.max(0, ...gaps.filter(({ silence }) => !silence).map(({ toMs }) => toMs));
    for (const gap of gaps.filter(isSilence))
      if (gap.silence.goesOn) await endOf(gap, producers.get(keyOf(gap.silence))?.lastAtMs, nowMs);
    for (const producer of producers.values()) {
      const silentMs = nowMs - Math.max(producer.lastAtMs, arrivingSinceMs);
      if (silentMs >= silentAfterMs && isSteady(producer)) await begin(producer, nowMs);
    }
    silent = (await store.gaps(nowMs - lookEveryMs)).filter(isSilence).filter(({ silence }) => silence.goesOn);
  };

  return {
    look,
    async heard(activity) {
      for (const gap of silent) {
        const times = activity.filter((sent) => keyOf(sent) === keyOf(gap.silence)).map(({ lastAtMs }) => lastAtMs);
        if (times.length > 0) await endOf(gap, Math.min(...times), clock.nowMs());
      }
    },
    service: createLoop({
      name: "experience producer silence",
      clock,
      logger,
      async round() {
        await look();
        return lookEveryMs;
      },
      pauseAfterFailureMs: lookEveryMs,
      onFailure: (error) => logger.debug("whether producers are silent cannot be told", { error }),
    }).service,
  };
}

interface Producer {
  readonly tenant: string;
  readonly producer: string;
  readonly types: readonly string[];
  readonly lastAtMs: number;
  /** Checkpoints by the beginning of their hour. */
  readonly hours: ReadonlyMap<number, number>;
}

function producersOf(activity: readonly ProducerActivity[]): ReadonlyMap<string, Producer> {
  const sentBy = new Map<string, ProducerActivity[]>();
  for (const sent of activity) {
    const known = sentBy.get(keyOf(sent));
    if (known) known.push(sent);
    else sentBy.set(keyOf(sent), [sent]);
  }
  return new Map([...sentBy].map(([key, sent]) => [key, producerOf(sent)]));
}

function producerOf(sent: readonly ProducerActivity[]): Producer {
  const [{ tenant, producer } = { tenant: "", producer: "" }] = sent;
  const hours = new Map<number, number>();
  for (const { fromMs, checkpoints } of sent) hours.set(fromMs, (hours.get(fromMs) ?? 0) + checkpoints);
  return {
    tenant,
    producer,
    types: [...new Set(sent.map(({ type }) => type))].sort(),
    lastAtMs: Math.max(...sent.map(({ lastAtMs }) => lastAtMs)),
    hours,
  };
}

/** Whether it has sent enough in each of the 24 hours before the one in which it was heard last. */
function isSteady({ hours, lastAtMs }: Producer): boolean {
  const lastHourMs = periodOf("hour", lastAtMs);
  for (let back = 1; back <= steadyHours; back++)
    if ((hours.get(lastHourMs - back * hourMs) ?? 0) < steadyPerHour) return false;
  return true;
}

function isSilence(gap: Gap): gap is SilenceGap {
  return gap.silence !== undefined;
}

function keyOf({ tenant, producer }: Pick<Silence, "tenant" | "producer">): string {
  return `${tenant}|${producer}`;
}
