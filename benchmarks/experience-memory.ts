import type { Checkpoint } from "@signalbox/experience";
import { createRedisStore } from "@signalbox/experience-tracker/redis-store";
import { ulid } from "@signalbox/kernel";
import { type SignalboxServer, startClickHouseHttp, startRedis } from "@signalbox/testing/servers";
import { checkpointOf, chunksOf, inFlight, payloadOf } from "./experience/checkpoints.js";
import { sendBatches, type Target, withTracker } from "./experience/tracker.js";
import { type Benchmark, type Measurement, scaled } from "./harness.js";
import { residentMiB } from "./load/errors-server.js";

const openRuns = scaled(100_000);
const manyOpenRuns = scaled(1_000_000);
const checkpointsPerSecond = 3_000;
const batchSize = 100;
const seconds = Math.max(5, scaled(120));

/** Memory of the tracker beside servers for all that it keeps, by itself and with the workers that write history. */
export const experienceMemory: Benchmark = {
  name: "experience-memory",
  proves: ["XP-906", "XP-435"],
  async run(report) {
    const redis = await startRedis();
    const clickhouse = await startClickHouseHttp();
    const env = {
      SIGNALBOX_EXPERIENCE_STORE: "redis",
      SIGNALBOX_REDIS_URL: redis.url,
      SIGNALBOX_CLICKHOUSE_URL: clickhouse.url,
    };
    /** A server of its own each time, so that none shows what the one before took. */
    const measure = (roles: string): Promise<Used> =>
      withTracker(env, async (tracker) => {
        const server = await tracker.start(roles);
        const used = await usedUnderLoad(server, tracker.targetOf(server));
        await server.stop();
        return used;
      });
    try {
      await openMore(redis.url, openRuns);
      const alone = await measure("tracker");
      report(lineOf("the tracker alone", openRuns, alone, 200));
      report(lineOf("tracker and workers in one process", openRuns, await measure("tracker,worker"), 512));
      await openMore(redis.url, manyOpenRuns - openRuns);
      const withMany = await measure("tracker");
      report(lineOf("the tracker alone", manyOpenRuns, withMany));
      report({
        workload: `what ${manyOpenRuns - openRuns} further open runs add to the tracker's most resident memory`,
        measured: { value: Math.max(0, withMany.mostMiB - alone.mostMiB), unit: "MiB" },
        target: 50,
      });
    } finally {
      await Promise.all([redis.stop(), clickhouse.stop()]);
    }
  },
};

interface Used {
  readonly mostMiB: number;
  readonly idleMiB: number;
  readonly perSecond: number;
  readonly statuses: Readonly<Record<number, number>>;
}

function lineOf(who: string, open: number, used: Used, target?: number): Measurement {
  return {
    workload: `${who} with Redis and ClickHouse: ${open} open runs, ${checkpointsPerSecond} checkpoints/s for ${seconds} s: most resident memory`,
    measured: { value: used.mostMiB, unit: "MiB" },
    ...(target === undefined ? {} : { target }),
    notes: {
      reached_per_s: Math.round(used.perSecond),
      after_start_MiB: Math.round(used.idleMiB),
      ...Object.fromEntries(Object.entries(used.statuses).map(([status, count]) => [`status_${status}`, count])),
    },
  };
}

/** Opens runs that nobody ends; what is published of them is not part of what is measured. */
async function openMore(url: string, count: number): Promise<void> {
  const store = createRedisStore({ url });
  await store.open();
  for (let made = 0; made < count; made += 10_000) {
    const starts = Array.from({ length: Math.min(10_000, count - made) }, () => longStart());
    await inFlight(chunksOf(starts, 100), 4, (batch) => store.apply(batch));
    for (let taken = await store.takeOutbox(1_000); taken.length > 0; taken = await store.takeOutbox(1_000))
      await store.ackOutbox(taken.map(({ id }) => id));
  }
  await store.close();
}

/** Of a run that is not overdue before everything is measured. */
function longStart(): Checkpoint {
  const start = checkpointOf(ulid(), "start");
  return { ...start, terms: { ...start.terms, timeoutMs: 86_400_000 } };
}

/** Half starts, half ends of the runs that the batch before has started. */
function* flow(count: number): Generator<object[]> {
  let open: string[] = [];
  for (let made = 0; made < count; made += batchSize) {
    const ends = open.map((id) => payloadOf(id, "end"));
    open = Array.from({ length: batchSize / 2 }, () => ulid());
    yield [...ends, ...open.map((id) => payloadOf(id, "start"))];
  }
}

async function usedUnderLoad(server: SignalboxServer, target: Target): Promise<Used> {
  const { now: idleMiB } = await residentMiB(server.pid);
  const sent = await sendBatches(target, [...flow(checkpointsPerSecond * seconds)], checkpointsPerSecond / batchSize);
  const { most } = await residentMiB(server.pid);
  return { mostMiB: most, idleMiB, perSecond: sent.perSecond * batchSize, statuses: sent.statuses };
}
