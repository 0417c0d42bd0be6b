import type { Delivery, EnqueueResult } from "@signalbox/event-store";
import { headerOf } from "./job.js";
import { perform, type RedisParts } from "./parts.js";
import { script } from "./redis.js";
import { enqueueScript } from "./scripts/enqueue.js";

const enqueue = script(enqueueScript);
const results: readonly EnqueueResult[] = ["enqueued", "duplicate", "deduplicated", "full"];

/** Adds deliveries to their queues in one atomic step; one result for each, in order. */
export async function enqueueJobs(
  deliveries: readonly Delivery[],
  parts: RedisParts,
): Promise<readonly EnqueueResult[]> {
  const nowMs = parts.clock.nowMs();
  const values: string[] = [];
  for (const delivery of deliveries) values.push(JSON.stringify(headerOf(delivery, nowMs)), delivery.body);
  const answer = (await perform(parts, enqueue, values)) as readonly number[];
  return answer.map((code) => results[code] ?? "enqueued");
}
