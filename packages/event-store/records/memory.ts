import { EventStoreError } from "../errors.js";
import type {
  BlobRecords,
  DeadLetter,
  DeadLetterCursor,
  DeadLetterFilter,
  DeadLetterRecords,
  PauseRecords,
  Records,
} from "./records.js";

/** Records that end with the process, for the memory transport. */
export function createMemoryRecords(): Records {
  return {
    deadLetters: createDeadLetters(),
    pauses: createPauses(),
    blobs: createBlobs(),
    async once() {
      throw new EventStoreError("EVT_CONFIG_INVALID", {
        message: "`context.once` needs an event store with a `database`",
        details: { option: "database" },
      });
    },
  };
}

function createBlobs(): BlobRecords {
  const blobsOf = new Map<string, Set<string>>();
  const isHeld = (blob: string): boolean => [...blobsOf.values()].some((blobs) => blobs.has(blob));
  return {
    async hold(blob, holder) {
      blobsOf.set(holder, new Set(blobsOf.get(holder)).add(blob));
    },
    async release(holder, blob) {
      const blobs = blobsOf.get(holder) ?? new Set();
      const released = [...blobs].filter((one) => blob === undefined || one === blob);
      for (const one of released) blobs.delete(one);
      if (blobs.size === 0) blobsOf.delete(holder);
      return released.filter((blob) => !isHeld(blob));
    },
    unheld: async (blobs) => blobs.filter((blob) => !isHeld(blob)),
  };
}

function createPauses(): PauseRecords {
  const paused = new Set<string>();
  return {
    shared: false,
    async set(subscriber, on) {
      if (on) paused.add(subscriber);
      else paused.delete(subscriber);
    },
    list: async () => new Set(paused),
  };
}

function createDeadLetters(): DeadLetterRecords {
  const letters = new Map<string, DeadLetter>();
  const move = (ids: readonly string[], to: "resolved" | "dead"): void => {
    for (const id of ids) {
      const letter = letters.get(id);
      if (letter?.state === "replaying") letters.set(id, { ...letter, state: to });
    }
  };
  return {
    async write(added) {
      for (const letter of added) {
        const before = letters.get(letter.id);
        if (before && before.state !== "replaying") continue;
        const kept = { replayCount: before?.replayCount ?? 0, lastReplayedAtMs: before?.lastReplayedAtMs ?? null };
        letters.set(letter.id, Object.freeze({ ...letter, ...kept, state: "dead" }));
      }
    },
    async list(filter, limit, after) {
      return [...letters.values()]
        .filter((letter) => matches(letter, filter) && (!after || newestFirst(after, letter) < 0))
        .sort(newestFirst)
        .slice(0, limit);
    },
    get: async (id) => letters.get(id) ?? null,
    async beginReplay(id, nowMs) {
      const letter = letters.get(id);
      if (letter?.state !== "dead") return false;
      const replayCount = letter.replayCount + 1;
      letters.set(id, Object.freeze({ ...letter, state: "replaying", replayCount, lastReplayedAtMs: nowMs }));
      return true;
    },
    resolve: async (ids) => move(ids, "resolved"),
    returnToDead: async (ids) => move(ids, "dead"),
    async counts() {
      const counts = new Map<string, number>();
      for (const { state, subscription } of letters.values()) {
        if (state === "dead") counts.set(subscription, (counts.get(subscription) ?? 0) + 1);
      }
      return counts;
    },
  };
}

function newestFirst(left: DeadLetterCursor, right: DeadLetterCursor): number {
  return right.deadAtMs - left.deadAtMs || (left.id < right.id ? 1 : left.id > right.id ? -1 : 0);
}

function matches(letter: DeadLetter, filter: DeadLetterFilter): boolean {
  return (
    (filter.ids?.includes(letter.id) ?? true) &&
    (filter.subscription ?? letter.subscription) === letter.subscription &&
    (filter.eventType ?? letter.eventType) === letter.eventType &&
    (filter.reason ?? letter.reason) === letter.reason &&
    (filter.state ?? letter.state) === letter.state &&
    (filter.fingerprint ?? letter.fingerprint) === letter.fingerprint &&
    (filter.correlationId ?? letter.correlationId) === letter.correlationId &&
    letter.deadAtMs >= (filter.sinceMs ?? 0) &&
    letter.deadAtMs < (filter.untilMs ?? Number.POSITIVE_INFINITY) &&
    letter.error.message.includes(filter.text ?? "")
  );
}
