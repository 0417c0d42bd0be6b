import {
  type ActivityPeriod,
  activityPeriods,
  everyActivityPeriod,
  gatherActivity,
  type ProducerActivity,
} from "@signalbox/experience";
import type { Redis } from "ioredis";
import type { ShardKeys } from "./keys.js";
import { createScript } from "./scripts.js";

/**
 * KEYS: one period. ARGV: for how long it is kept, then a field and five numbers for each producer and type: checkpoints,
 * anomalous, starts, ends, when the last one came.
 */
const addScript = createScript(`
for i = 2, #ARGV, 6 do
  local sums = {}
  for number in string.gmatch(redis.call('HGET', KEYS[1], ARGV[i]) or '0|0|0|0|0', '%d+') do
    sums[#sums + 1] = tonumber(number)
  end
  for n = 1, 4 do sums[n] = sums[n] + tonumber(ARGV[i + n]) end
  sums[5] = math.max(sums[5], tonumber(ARGV[i + 5]))
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f|%.0f|%.0f|%.0f|%.0f', unpack(sums)))
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
`);

/** A hash for each period, which goes when it had its time; the server is busy only for so many at once. */
const maxTogether = 500;

export async function addActivity(
  client: Redis,
  { activity: keyOf }: ShardKeys,
  added: readonly ProducerActivity[],
): Promise<void> {
  for (const period of everyActivityPeriod) {
    const byKey = new Map<string, ProducerActivity[]>();
    for (const sent of gatherActivity(period, added).values()) {
      const key = keyOf(period, sent.fromMs);
      byKey.set(key, [...(byKey.get(key) ?? []), sent]);
    }
    const { keptMs } = activityPeriods[period];
    for (const [key, all] of byKey)
      for (let from = 0; from < all.length; from += maxTogether)
        await addScript.run(
          client,
          [key],
          [String(keptMs), ...all.slice(from, from + maxTogether).flatMap(argumentsOf)],
        );
  }
}

export async function readActivity(
  client: Redis,
  { activity: keyOf }: ShardKeys,
  period: ActivityPeriod,
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
): Promise<ProducerActivity[]> {
  const { lengthMs, keptMs } = activityPeriods[period];
  const oldestMs = Math.max(sinceMs, nowMs - keptMs);
  const periods: number[] = [];
  // The one after this has begun where a replica's clock is ahead.
  for (let fromMs = Math.ceil(oldestMs / lengthMs) * lengthMs; fromMs <= nowMs + lengthMs; fromMs += lengthMs)
    periods.push(fromMs);
  const found = await Promise.all(periods.map((fromMs) => client.hgetall(keyOf(period, fromMs))));
  return found.flatMap((hash, index) =>
    Object.entries(hash).map(([field, value]) => activityOf(field, value, periods[index] ?? 0)),
  );
}

/** A producer's name may hold any character, and so comes last. */
function argumentsOf({ tenant, type, producer, ...sums }: ProducerActivity): string[] {
  const { checkpoints, anomalous, starts, ends, lastAtMs } = sums;
  return [`${tenant}|${type}|${producer}`, ...[checkpoints, anomalous, starts, ends, lastAtMs].map(String)];
}

function activityOf(field: string, value: string, fromMs: number): ProducerActivity {
  const [tenant = "", type = "", ...rest] = field.split("|");
  const [checkpoints = 0, anomalous = 0, starts = 0, ends = 0, lastAtMs = 0] = value.split("|").map(Number);
  return { tenant, type, producer: rest.join("|"), fromMs, checkpoints, anomalous, starts, ends, lastAtMs };
}
