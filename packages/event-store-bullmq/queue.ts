import type { QueueDepth, QueuedDelivery, QueueFilter } from "@signalbox/event-store";
import { jobIdOf, queueName, readHeader } from "./job.js";
import { keyOf, perform, type RedisParts } from "./parts.js";
import { ask, script } from "./redis.js";
import { lookScript } from "./scripts/look.js";
import { removeScript } from "./scripts/remove.js";

// What operators and the watch see of the queues and do to them; none of it is on the way of a delivery.

const remove = script(removeScript);
const look = script(lookScript);
const places = ["wait", "delayed", "waiting-children"] as const;
/** BullMQ's scores hold a time and a counter of 12 bits. */
const scorePerMs = 4_096;
const pageSize = 256;
const removedTogether = 500;

/** Offers again what was given up, and tells which of the queues have something due. */
export async function lookAtQueues(queues: readonly string[], parts: RedisParts): Promise<readonly string[]> {
  return (await perform(parts, look, queues)) as readonly string[];
}

export async function queueDepth(subscriber: string, parts: RedisParts): Promise<QueueDepth> {
  const { redis, clock } = parts;
  const key = (what: string): string => keyOf(parts, queueName(subscriber), what);
  const untilScore = (clock.nowMs() + 1) * scorePerMs - 1;
  const answers = await ask(redis, clock, () =>
    redis
      .multi()
      .llen(key("wait"))
      .lindex(key("wait"), -1)
      .zcount(key("delayed"), "-inf", untilScore)
      .zcard(key("delayed"))
      .zrange(key("delayed"), 0, 0, "WITHSCORES")
      .llen(key("active"))
      .zcard(key("waiting-children"))
      .exec(),
  );
  const [waiting, oldest, due, delayed, first, running, blocked] = (answers ?? []).map(([, answer]) => answer);
  const dueTimes: number[] = [];
  if (typeof oldest === "string") {
    const dueAtMs = await ask(redis, clock, () => redis.hget(key(oldest), "sbd"));
    if (dueAtMs !== null) dueTimes.push(Number(dueAtMs));
  }
  if (Number(due) > 0 && Array.isArray(first)) dueTimes.push(Math.floor(Number(first[1]) / scorePerMs));
  return {
    ready: Number(waiting) + Number(due),
    scheduled: Number(delayed) - Number(due),
    running: Number(running),
    blocked: Number(blocked),
    oldestReadyMs: dueTimes.length > 0 ? Math.min(...dueTimes) : null,
  };
}

export async function peekQueues(filter: QueueFilter, limit: number, parts: RedisParts): Promise<QueuedDelivery[]> {
  const found: QueuedDelivery[] = [];
  for (const subscriber of await subscribersOf(filter, parts)) {
    for (const place of places) {
      for (let from = 0; found.length < limit; from += pageSize) {
        const ids = await idsAt(subscriber, place, from, parts);
        for (const delivery of await readJobs(subscriber, place, ids, parts)) {
          if (filter.eventType !== undefined && delivery.eventType !== filter.eventType) continue;
          if (found.length < limit) found.push(delivery);
        }
        if (ids.length < pageSize) break;
      }
    }
  }
  return found;
}

/** Deletes waiting jobs with their locks and lets the next ones of their keys go. */
export async function removeFromQueues(filter: QueueFilter, parts: RedisParts): Promise<number> {
  let removed = 0;
  for (const subscriber of await subscribersOf(filter, parts)) {
    // The next of a key leaves its place when the one before it is deleted, so each place is looked at once more.
    for (let round = -1; round !== removed; ) {
      round = removed;
      for (const place of [...places].reverse()) removed += await removeAt(subscriber, place, filter, parts);
    }
  }
  return removed;
}

export async function unsettledIds(ids: readonly string[], parts: RedisParts): Promise<string[]> {
  if (ids.length === 0) return [];
  const { redis, clock, prefix } = parts;
  const jobs = ids.map((id) => ({ id, job: jobIdOf(id) }));
  const queues = await ask(redis, clock, () => redis.mget(jobs.map(({ job }) => `${prefix}:!known:${job}`)));
  // Settled ones have no queue any more, and other tools may have deleted jobs.
  const live = jobs.flatMap(({ id, job }, index) =>
    queues[index] ? [{ id, key: keyOf(parts, queues[index], job) }] : [],
  );
  const pipeline = redis.pipeline();
  for (const { key } of live) pipeline.exists(key);
  const answers = live.length === 0 ? [] : await ask(redis, clock, () => pipeline.exec());
  return live.filter((_, index) => answers?.[index]?.[1] === 1).map(({ id }) => id);
}

export async function busySubscribers(parts: RedisParts): Promise<string[]> {
  const { redis, clock } = parts;
  const subscribers = await subscribersOf({}, parts);
  const pipeline = redis.pipeline();
  for (const subscriber of subscribers) {
    for (const place of ["wait", "active"]) pipeline.llen(keyOf(parts, subscriber, place));
    for (const place of ["delayed", "waiting-children"]) pipeline.zcard(keyOf(parts, subscriber, place));
  }
  const counts = ((await ask(redis, clock, () => pipeline.exec())) ?? []).map(([, count]) => Number(count));
  return subscribers.filter((_, index) => counts.slice(index * 4, index * 4 + 4).some((count) => count > 0));
}

async function subscribersOf({ subscriber }: QueueFilter, { redis, clock, prefix }: RedisParts): Promise<string[]> {
  if (subscriber !== undefined) return [queueName(subscriber)];
  return (await ask(redis, clock, () => redis.smembers(`${prefix}:!subscribers`))).sort();
}

/** Oldest first. */
async function idsAt(
  subscriber: string,
  place: (typeof places)[number],
  from: number,
  parts: RedisParts,
): Promise<string[]> {
  const { redis, clock } = parts;
  const key = keyOf(parts, subscriber, place);
  if (place !== "wait") return ask(redis, clock, () => redis.zrange(key, from, from + pageSize - 1));
  return (await ask(redis, clock, () => redis.lrange(key, -(from + pageSize), -(from + 1)))).reverse();
}

async function readJobs(
  subscriber: string,
  place: (typeof places)[number],
  ids: readonly string[],
  parts: RedisParts,
): Promise<QueuedDelivery[]> {
  if (ids.length === 0) return [];
  const { redis, clock } = parts;
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hmget(keyOf(parts, subscriber, id), "sb", "sbd", "sba", "data");
  const answers = (await ask(redis, clock, () => pipeline.exec())) ?? [];
  const nowMs = clock.nowMs();
  return answers.flatMap(([, fields]) => toQueued(fields as (string | null)[], place, nowMs) ?? []);
}

/** Undefined for a job that went on meanwhile, or is no delivery. */
function toQueued(
  [header, dueAtMs, attempts, body]: readonly (string | null)[],
  place: (typeof places)[number],
  nowMs: number,
): QueuedDelivery | undefined {
  const known = typeof header === "string" ? readHeader(header) : undefined;
  if (!known || typeof body !== "string") return undefined;
  const { deliveryId, queue, subscription, type, key } = known;
  const due = Number(dueAtMs);
  return {
    id: deliveryId,
    subscriber: queue,
    subscription,
    eventType: type,
    key: key ?? null,
    state: place === "waiting-children" ? "blocked" : due <= nowMs ? "ready" : "scheduled",
    dueAtMs: due,
    attempts: Number(attempts ?? 0),
    body,
  };
}

async function removeAt(
  subscriber: string,
  place: (typeof places)[number],
  { eventType = "" }: QueueFilter,
  parts: RedisParts,
): Promise<number> {
  let removed = 0;
  let passed = 0;
  for (;;) {
    const [seen, gone] = (await perform(parts, remove, [
      ...[subscriber, eventType, place, passed, removedTogether],
      parts.repetitionWindowMs,
    ])) as [number, number];
    removed += gone;
    passed += seen - gone;
    if (seen < removedTogether) return removed;
  }
}
