import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { DeadLetters, Queues } from "@signalbox/event-store";
import { type Clock, isUlid, ulidTimeMs } from "@signalbox/kernel";
import { isJsonObject } from "@signalbox/sentry-protocol";
import { attachmentNamespace } from "../edge/ingest-limits.js";
import { referredBlobs } from "../store/attachments.js";

export interface OrphanDependencies {
  readonly database: Database;
  readonly analytics: Pick<Analytics, "ping">;
  readonly blobs: Blobs;
  readonly clock: Clock;
  /** What still waits, and what was given up: both may refer to blobs. */
  readonly messages: () => { readonly queues: Pick<Queues, "get">; readonly dead: Pick<DeadLetters, "list"> };
}

/** Messages that may carry attachments. */
const subscribers = ["error_tracking.digest", "error_tracking.items"] as const;

const orphanAgeMs = 86_400_000;
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

  const isHandlingAll = async (): Promise<boolean> => {
    await analytics.ping();
    const states = await Promise.all(subscribers.map((subscriber) => messages().queues.get(subscriber)));
    const waiting = states.reduce((sum, state) => {
      const { ready = 0, scheduled = 0, running = 0, blocked = 0 } = state?.depth ?? {};
      return sum + ready + scheduled + running + blocked;
    }, 0);
    return waiting <= fewMessages && states.every((state) => state?.paused !== true);
  };

  return {
    async isCalm() {
      const nowMs = clock.monotonicMs();
      const calm = await isHandlingAll().catch(() => false);
      calmSinceMs = calm ? (calmSinceMs ?? nowMs) : undefined;
      return calmSinceMs !== undefined && nowMs - calmSinceMs >= calmMs;
    },

    async collect(signal) {
      let carried: ReadonlySet<string> | "unknown" | undefined;
      let collected = 0;
      for await (const keys of oldKeys(blobs, clock.nowMs() - orphanAgeMs)) {
        if (signal?.aborted) break;
        const referred = await referredBlobs(database, keys);
        const candidates = keys.filter((key) => !referred.has(key));
        if (candidates.length === 0) continue;
        carried ??= await carriedByLetters(messages().dead);
        if (carried === "unknown") break;
        for (const key of candidates) if (!carried.has(key) && (await blobs.delete(key))) collected++;
      }
      return collected;
    },
  };
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
