import { activityPeriods, type ExperienceStore, type ProducerActivity, periodOf } from "@signalbox/experience";
import type { Clock, Logger, Service } from "@signalbox/kernel";
import { createLoop } from "./loop.js";

export interface QuarantineOptions {
  readonly store: Pick<ExperienceStore, "activity">;
  /** Whether odd producers are kept from being counted, or only reported. */
  readonly enforce: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Knows which producers send mostly odd checkpoints now, over all processes. */
export interface Quarantine {
  /** Whether what this producer sends is recorded and not counted. Costs a look into a set. */
  holds(tenant: string, producer: string): boolean;
  isOdd(tenant: string, producer: string): boolean;
  /** Looks at what producers have sent and says so where one has become odd, or is no longer. */
  look(): Promise<void>;
  readonly service: Service;
}

/** Fewer checkpoints say nothing about a producer. */
const leastCheckpoints = 100;
/** A producer is odd when more than this part of its checkpoints has an anomaly. */
const mostAnomalous = 0.5;
const lookEveryMs = 5_000;

export function createQuarantine({ store, enforce, clock, logger }: QuarantineOptions): Quarantine {
  let odd: ReadonlyMap<string, Recent> = new Map();

  const look = async (): Promise<void> => {
    const nowMs = clock.nowMs();
    const periodMs = activityPeriods.five_minutes.lengthMs;
    const activity = await store.activity("five_minutes", periodOf("five_minutes", nowMs - periodMs));
    const found = new Map([...recentOf(activity, nowMs)].filter(([, recent]) => isOdd(recent)));
    for (const [key, recent] of found)
      if (!odd.has(key)) logger.warn("experience.producer_odd", fieldsOf(recent, enforce));
    for (const [key, recent] of odd)
      if (!found.has(key)) logger.info("experience.producer_odd_no_more", namesOf(recent));
    odd = found;
  };

  const { service } = createLoop({
    name: "experience quarantine",
    clock,
    logger,
    async round() {
      await look();
      return lookEveryMs;
    },
    pauseAfterFailureMs: lookEveryMs,
    onFailure: (error) => logger.debug("what producers have sent cannot be read yet", { error }),
  });

  return {
    holds: (tenant, producer) => enforce && odd.has(keyOf(tenant, producer)),
    isOdd: (tenant, producer) => odd.has(keyOf(tenant, producer)),
    look,
    service,
  };
}

/** What one producer has sent in the last five minutes. */
interface Recent {
  readonly tenant: string;
  readonly producer: string;
  readonly checkpoints: number;
  readonly anomalous: number;
}

/**
 * Figures come by five minutes of the clock. Of those before the present ones that part counts which is not yet five minutes
 * ago, as if they had come evenly.
 */
function recentOf(activity: readonly ProducerActivity[], nowMs: number): ReadonlyMap<string, Recent> {
  const periodMs = activityPeriods.five_minutes.lengthMs;
  const presentMs = periodOf("five_minutes", nowMs);
  const remaining = 1 - (nowMs - presentMs) / periodMs;
  const sums = new Map<string, Recent>();
  for (const { tenant, producer, fromMs, checkpoints, anomalous } of activity) {
    // What another server's clock has put into a period to come is of the present.
    const share = fromMs >= presentMs ? 1 : fromMs === presentMs - periodMs ? remaining : 0;
    const key = keyOf(tenant, producer);
    const sum = sums.get(key) ?? { tenant, producer, checkpoints: 0, anomalous: 0 };
    sums.set(key, {
      ...sum,
      checkpoints: sum.checkpoints + share * checkpoints,
      anomalous: sum.anomalous + share * anomalous,
    });
  }
  return sums;
}

function isOdd({ checkpoints, anomalous }: Recent): boolean {
  return checkpoints >= leastCheckpoints && anomalous > mostAnomalous * checkpoints;
}

/** No tenant has the dividing character. */
function keyOf(tenant: string, producer: string): string {
  return `${tenant}|${producer}`;
}

function namesOf({ tenant, producer }: Recent) {
  return { tenant, producer };
}

function fieldsOf(recent: Recent, enforce: boolean) {
  return {
    ...namesOf(recent),
    checkpoints: Math.round(recent.checkpoints),
    anomalous: Math.round(recent.anomalous),
    counted: !enforce,
  };
}
