import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { DeadLetters, Queues } from "@signalbox/event-store";
import { type Clock, isUlid, ulidTimeMs } from "@signalbox/kernel";
import { isJsonObject } from "@signalbox/sentry-protocol";
import { attachmentNamespace } from "../edge/ingest-limits.js";
import { referredBlobs } from "../store/attachments.js";

/** What still waits, and what was given up: both may refer to blobs. */
export interface BlobCarriers {
  readonly queues: Pick<Queues, "get">;
  readonly dead: Pick<DeadLetters, "list">;
}

export interface OrphanDependencies {
  readonly database: Database;
  readonly analytics: Pick<Analytics, "ping">;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly messages: () => BlobCarriers;
}

/** Messages that may carry attachments. */
const subscribers = ["error_tracking.digest", "error_tracking.items"] as const;

export const orphanAgeMs = 86_400_000;
const keysAtOnce = 500;
const lettersAtOnce = 1000;

/** So many waiting messages are handled within a minute. */
const fewMessages = 5000;
/** For how long no more may have waited before anything is collected. */
const calmMs = 600_000;

export interface OrphanCollector {
  /**
   * Looks whether messages are handled as they come; to be called every minute or so. Nothing tells how old a message is
   * that waits, so while many wait, or an engine is away, and for ten minutes afterwards, nothing may be collected.
   */
  isCalm(): Promise<boolean>;
  /**
   * Deletes attachments that belong to no event: of publishes that failed, of events that were not taken or were sent
   * twice. Only what is a day old and carried by no dead letter. Resolves with how many.
   */
  collect(signal?: AbortSignal): Promise<number>;
}

export function createOrphanCollector({
  database,
  analytics,
  blobs,
  clock,
  messages,
}: OrphanDependencies): OrphanCollector {
  let calmSinceMs: number | undefined;

  return {
    async isCalm() {
      const nowMs = clock.monotonicMs();
      const calm = await isHandlingAll(analytics, messages().queues).catch(() => false);
      calmSinceMs = calm ? (calmSinceMs ?? nowMs) : undefined;
      return calmSinceMs !== undefined && nowMs - calmSinceMs >= calmMs;
    },

    async collect(signal) {
      let collected = 0;
      for await (const { orphans } of findOrphans(database, blobs, messages().dead, clock.nowMs() - orphanAgeMs)) {
        for (const key of orphans) if (!signal?.aborted && (await blobs.delete(key))) collected++;
        if (signal?.aborted) break;
      }
      return collected;
    },
  };
}

/**
 * Whether messages are handled as they come: few wait, and nobody paused them.
 * @throws {AnalyticsError} and {EventStoreError} when the engine or the transport is away
 */
export async function isHandlingAll(analytics: Pick<Analytics, "ping">, queues: Pick<Queues, "get">): Promise<boolean> {
  await analytics.ping();
  const states = await Promise.all(subscribers.map((subscriber) => queues.get(subscriber)));
  const waiting = states.reduce((sum, state) => {
    const { ready = 0, scheduled = 0, running = 0, blocked = 0 } = state?.depth ?? {};
    return sum + ready + scheduled + running + blocked;
  }, 0);
  return waiting <= fewMessages && states.every((state) => state?.paused !== true);
}

/**
 * Walks over attachments that were made before a time, with those among them that no event and no dead letter refers to.
 * Ends early when a letter is too large to say what it carries. What waits is not looked at: whoever asks knows that it is young.
 */
export async function* findOrphans(
  database: Database,
  blobs: Blobs,
  dead: Pick<DeadLetters, "list">,
  beforeMs: number,
): AsyncGenerator<{ readonly looked: number; readonly orphans: readonly string[] }> {
  let carried: ReadonlySet<string> | "unknown" | undefined;
  for await (const keys of oldKeys(blobs, beforeMs)) {
    const referred = await referredBlobs(database, keys);
    const candidates = keys.filter((key) => !referred.has(key));
    if (candidates.length > 0) carried ??= await carriedByLetters(dead);
    if (carried === "unknown") return;
    const inLetters = carried;
    yield { looked: keys.length, orphans: candidates.filter((key) => inLetters?.has(key) !== true) };
  }
}

async function* oldKeys(blobs: Blobs, beforeMs: number): AsyncGenerator<string[]> {
  let keys: string[] = [];
  for await (const key of blobs.list(`${attachmentNamespace}/`)) {
    const made = key.slice(attachmentNamespace.length + 1);
    if (!isUlid(made)) continue;
    // Keys come in the order in which they were made.
    if (ulidTimeMs(made) >= beforeMs) break;
    keys.push(key);
    if (keys.length < keysAtOnce) continue;
    yield keys;
    keys = [];
  }
  if (keys.length > 0) yield keys;
}

/** Blobs of messages that could be replayed; unknown when one of them is too large to be looked into. */
async function carriedByLetters(dead: Pick<DeadLetters, "list">): Promise<Set<string> | "unknown"> {
  const carried = new Set<string>();
  for (const state of ["dead", "replaying"] as const) {
    for (let after: Parameters<typeof dead.list>[1] = { limit: lettersAtOnce }; ; ) {
      const { letters, next } = await dead.list({ state, idPrefix: "et:" }, after);
      for (const { event } of letters) {
        const wire: unknown = JSON.parse(event);
        const data = isJsonObject(wire) ? wire["data"] : undefined;
        if (!isJsonObject(data)) return "unknown";
        const { attachments } = data;
        for (const attachment of Array.isArray(attachments) ? attachments : [])
          if (isJsonObject(attachment) && typeof attachment["blob"] === "string") carried.add(attachment["blob"]);
      }
      if (next === null) break;
      after = { limit: lettersAtOnce, after: next };
    }
  }
  return carried;
}
