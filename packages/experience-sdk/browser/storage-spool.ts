import { isUlid, ulidTimeMs } from "@signalbox/kernel/portable";
import type { Time } from "../platform.js";
import type { Waiting } from "../queue.js";
import type { Run } from "../run.js";
import type { Spool } from "../spool.js";
import { readTexts } from "../spooled-texts.js";

/** What is used of `localStorage`. */
export type KeyedTexts = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/**
 * Keeps in `localStorage` what is not settled, for the next page of the origin. Each entry has a key of its own, so that
 * two tabs never write the same one; what both of them send is told apart by its event ids. Where storage is not to be
 * had, or full, nothing is kept from then on, and nobody is told.
 */
export interface StorageSpool extends Spool {
  /** Keeps all that this page has not settled, in place of what it kept so before. At once. */
  keep(unsettled: readonly Waiting[]): void;
  /** Everything is settled. */
  forget(): void;
}

export interface StorageSpoolOptions {
  /** May throw, as may everything that it returns. */
  readonly openStorage: () => KeyedTexts;
  /** Address of the server. */
  readonly endpoint: string;
  readonly newUlid: () => string;
  readonly clock: Time;
  readonly textOf: (checkpoint: Waiting) => string | undefined;
}

const mostBytes = 256 * 1_024;
/**
 * The tracker knows a checkpoint again for a day after the verdict. What may have arrived already is not sent after half
 * of it.
 */
const longestKeptMs = 12 * 3_600_000;

export function createStorageSpool(options: StorageSpoolOptions): StorageSpool {
  const { openStorage, newUlid, clock, textOf } = options;
  const prefix = `experience-sdk:${options.endpoint}:`;
  const own = prefix + newUlid();
  let isOff = false;
  let hasOwn = false;
  /** Keys that are still to be taken in this round. */
  let round: string[] | undefined;

  const quietly = <T>(otherwise: T, work: (storage: KeyedTexts) => T): T => {
    if (isOff) return otherwise;
    try {
      return work(openStorage());
    } catch {
      isOff = true;
      return otherwise;
    }
  };

  /** Oldest first. */
  const keysIn = (storage: KeyedTexts): string[] =>
    Object.keys(storage)
      // What is left behind the prefix may also be the port of another address.
      .filter((key) => key.startsWith(prefix) && isUlid(key.slice(prefix.length)))
      .sort();

  const put = (key: string, text: string): boolean =>
    quietly(false, (storage) => {
      let room = mostBytes - bytesOf(key, text);
      if (room < 0) return false;
      // The newest stay.
      for (const other of keysIn(storage).reverse()) {
        if (other === key) continue;
        room -= bytesOf(other, storage.getItem(other) ?? "");
        if (room < 0) storage.removeItem(other);
      }
      storage.setItem(key, text);
      return true;
    });

  const remove = (key: string): void => quietly(undefined, (storage) => storage.removeItem(key));

  const read = (key: string): string[] =>
    quietly<string[]>([], (storage) => {
      const isOld = clock.nowMs() - ulidTimeMs(key.slice(prefix.length)) > longestKeptMs;
      try {
        return isOld ? [] : readTexts(storage.getItem(key) ?? "[]");
      } catch {
        return [];
      }
    });

  return {
    keep(unsettled) {
      const texts = fitting(unsettled).flatMap((checkpoint) => textOf(checkpoint) ?? []);
      hasOwn = texts.length > 0 && put(own, `[${texts.join(",")}]`);
      if (!hasOwn) remove(own);
    },
    forget() {
      if (hasOwn) remove(own);
      hasOwn = false;
    },
    write: async (checkpoints) => put(prefix + newUlid(), `[${checkpoints.join(",")}]`),
    async take() {
      round ??= quietly<string[]>([], keysIn);
      for (let key = round.shift(); key !== undefined; key = round.shift()) {
        if (key === own) continue;
        const entry = key;
        const checkpoints = read(entry);
        if (checkpoints.length > 0) return { checkpoints, remove: async () => remove(entry) };
        remove(entry);
      }
      round = undefined;
      return undefined;
    },
  };
}

/** As much as may be kept: whole runs, the newest, since a start without its end would look like a journey that died. */
function fitting(checkpoints: readonly Waiting[]): readonly Waiting[] {
  const sizes = new Map<Run, number>();
  for (const { run, bytes } of checkpoints) sizes.set(run, (sizes.get(run) ?? 0) + bytes);
  let room = mostBytes - 1_024;
  const kept = new Set<Run>();
  for (const [run, bytes] of [...sizes].reverse()) {
    room -= bytes;
    if (room >= 0) kept.add(run);
  }
  return checkpoints.filter(({ run }) => kept.has(run));
}

/** In UTF-8. */
function bytesOf(key: string, text: string): number {
  return new Blob([key, text]).size;
}
