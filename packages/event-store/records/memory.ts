import { EventStoreError } from "../errors.js";
import type {
  BlobRecords,
  DeadLetter,
  DeadLetterCursor,
  DeadLetterFilter,
  DeadLetterGroup,
  DeadLetterRecords,
  DeadLetterSum,
  PauseRecords,
  Records,
} from "./records.js";

/** Records that end with the process, for the memory transport. */
export function createMemoryRecords(): Records {
  return {
    shared: false,
    deadLetters: createDeadLetters(),
    pauses: createPauses(),
    blobs: createBlobs(),
    forgetOnce: async () => 0,
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
        letters.set(letter.id, Object.freeze({ ...letter, ...kept, state: "dead", note: null }));
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
    async groups(filter, limit) {
      const groups = new Map<string, DeadLetter[]>();
      for (const letter of letters.values()) {
        if (matches(letter, filter))
          groups.set(letter.fingerprint, [...(groups.get(letter.fingerprint) ?? []), letter]);
      }
      return [...groups.values()]
        .map(toGroup)
        .sort((left, right) => right.count - left.count || (left.fingerprint < right.fingerprint ? -1 : 1))
        .slice(0, limit);
    },
    async discard(id, note) {
      const letter = letters.get(id);
      if (letter?.state !== "dead") return false;
      letters.set(id, Object.freeze({ ...letter, state: "discarded", note }));
      return true;
    },
    async forget(id, event, note) {
      const letter = letters.get(id);
      if (letter === undefined || letter.state === "replaying" || letter.event === event) return false;
      const ended = letter.state === "dead" ? ({ state: "discarded", note } as const) : {};
      const error = { ...letter.error, message: "", stack: null };
      letters.set(id, Object.freeze({ ...letter, ...ended, event, error, attempts: [] }));
      return true;
    },
    async replayingSince(beforeMs, limit) {
      return [...letters.values()]
        .filter((letter) => letter.state === "replaying" && (letter.lastReplayedAtMs ?? 0) < beforeMs)
        .slice(0, limit);
    },
    async expire(beforeMs, limit) {
      const old = [...letters.values()].filter((letter) => letter.state === "dead" && letter.deadAtMs < beforeMs);
      for (const letter of old.slice(0, limit)) letters.set(letter.id, Object.freeze({ ...letter, state: "expired" }));
      return old.slice(0, limit);
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
    async tally({ subscription, idPrefix, places }) {
      const sums = new Map<string, DeadLetterSum>();
      for (const letter of letters.values()) {
        if (letter.subscription !== subscription || !letter.id.startsWith(idPrefix)) continue;
        const values = places.map((place) => valueAt(JSON.parse(letter.event), place));
        const { state, error } = letter;
        const alike = JSON.stringify([state, error.code, values]);
        sums.set(alike, { state, code: error.code, values, count: (sums.get(alike)?.count ?? 0) + 1 });
      }
      return [...sums.values()];
    },
  };
}

function valueAt(envelope: unknown, place: readonly string[]): string | null {
  let value = envelope;
  for (const name of place)
    value =
      typeof value === "object" && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : null;
  return typeof value === "string" || typeof value === "number" ? String(value) : null;
}

function toGroup(letters: readonly DeadLetter[]): DeadLetterGroup {
  const times = letters.map(({ deadAtMs }) => deadAtMs);
  const [newest] = [...letters].sort(newestFirst);
  return {
    fingerprint: newest?.fingerprint ?? "",
    count: letters.length,
    firstDeadAtMs: Math.min(...times),
    lastDeadAtMs: Math.max(...times),
    sampleId: newest?.id ?? "",
    subscriptions: [...new Set(letters.map(({ subscription }) => subscription))].sort(),
  };
}

function newestFirst(left: DeadLetterCursor, right: DeadLetterCursor): number {
  return right.deadAtMs - left.deadAtMs || (left.id < right.id ? 1 : left.id > right.id ? -1 : 0);
}

function matches(letter: DeadLetter, filter: DeadLetterFilter): boolean {
  return (
    (filter.ids?.includes(letter.id) ?? true) &&
    letter.id.startsWith(filter.idPrefix ?? "") &&
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
