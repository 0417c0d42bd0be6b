import { createHash } from "node:crypto";
import { NostrError } from "../errors.js";
import { isHex32 } from "../hex.js";
import { encodeVarint } from "./varint.js";

export const idBytes = 32;

/** Where a range ends, exclusively: before the first item that is not less. */
export interface Bound {
  /** `Infinity`: after every item. */
  readonly timestamp: number;
  /** The first bytes of an id, up to 32; the rest counts as zeros. */
  readonly prefix: Uint8Array;
}

const noBytes = new Uint8Array(0);
export const lowestBound: Bound = { timestamp: 0, prefix: noBytes };
export const infinity: Bound = { timestamp: Number.POSITIVE_INFINITY, prefix: noBytes };

/** Items in order of time, then of id; unchangeable. 40 bytes for each. */
export class ItemSet {
  readonly #timestamps: Float64Array;
  readonly #ids: Uint8Array;
  readonly #words: DataView;
  #summed = 0;

  /** For the builder: sorted, without duplicates. */
  constructor(timestamps: Float64Array, ids: Uint8Array) {
    this.#timestamps = timestamps;
    this.#ids = ids;
    this.#words = new DataView(ids.buffer, ids.byteOffset, ids.byteLength);
  }

  get size(): number {
    return this.#timestamps.length;
  }

  /** Items whose ids were added up for fingerprints so far: what the set has cost beside its memory. */
  get summed(): number {
    return this.#summed;
  }

  timestampAt(index: number): number {
    return this.#timestamps[index] ?? Number.POSITIVE_INFINITY;
  }

  /** A view of the id's bytes. */
  idAt(index: number): Uint8Array {
    return this.#ids.subarray(index * idBytes, (index + 1) * idBytes);
  }

  /** A view of the ids of a range, one after the other. */
  idsOf(from: number, to: number): Uint8Array {
    return this.#ids.subarray(from * idBytes, to * idBytes);
  }

  /** Index of the first item at or after `from` that is not less than the bound. */
  findBound(from: number, bound: Bound): number {
    let low = from;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isBelow(middle, bound)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The shortest bound between an item and the one before it. */
  boundBefore(index: number): Bound {
    const timestamp = this.timestampAt(index);
    if (timestamp !== this.timestampAt(index - 1)) return { timestamp, prefix: noBytes };
    const id = this.idAt(index);
    const before = this.idAt(index - 1);
    let common = 0;
    while (common < idBytes && id[common] === before[common]) common++;
    return { timestamp, prefix: id.subarray(0, common + 1) };
  }

  /** 16 bytes that tell this range from others: a hash of the sum of its ids and of their number. */
  fingerprint(from: number, to: number): Uint8Array {
    this.#summed += to - from;
    const input = Buffer.alloc(idBytes + 8);
    this.#addIds(from, to, input);
    const count = encodeVarint(to - from);
    input.set(count, idBytes);
    return createHash("sha256")
      .update(input.subarray(0, idBytes + count.length))
      .digest()
      .subarray(0, 16);
  }

  /** Sum of the ids as little-endian numbers, modulo 2^256. */
  #addIds(from: number, to: number, sum: Buffer): void {
    // Numbers are exact up to 2^53: so many 32-bit words, and a carry, can be added before anything is lost.
    const maxItems = 2 ** 20;
    const words = new Float64Array(8);
    for (let start = from; start < to; start += maxItems) {
      const end = Math.min(to, start + maxItems);
      for (let offset = start * idBytes; offset < end * idBytes; offset += idBytes) {
        for (let word = 0; word < 8; word++)
          words[word] = (words[word] ?? 0) + this.#words.getUint32(offset + word * 4, true);
      }
      let carry = 0;
      for (let word = 0; word < 8; word++) {
        const total = (words[word] ?? 0) + carry;
        words[word] = total % 2 ** 32;
        carry = Math.floor(total / 2 ** 32);
      }
    }
    for (let word = 0; word < 8; word++) sum.writeUInt32LE(words[word] ?? 0, word * 4);
  }

  #isBelow(index: number, bound: Bound): boolean {
    const timestamp = this.timestampAt(index);
    if (timestamp !== bound.timestamp) return timestamp < bound.timestamp;
    const offset = index * idBytes;
    for (let place = 0; place < bound.prefix.length; place++) {
      const byte = this.#ids[offset + place] ?? 0;
      const limit = bound.prefix[place] ?? 0;
      if (byte !== limit) return byte < limit;
    }
    // Equal so far: the bound goes on with zeros, which nothing is below.
    return false;
  }
}

export interface ItemSetBuilder {
  readonly size: number;
  /**
   * @param timestamp seconds, a safe integer from 0
   * @param id 64 lower-case hex digits
   * @throws {NostrError} `NEGENTROPY_MISUSED` after `seal`, or for a value out of range
   */
  add(timestamp: number, id: string): void;
  /** Sorts, drops duplicates and ends the building. @throws {NostrError} `NEGENTROPY_MISUSED` the second time */
  seal(): ItemSet;
}

/** Gathers the items of a set. Cheapest in ascending order, or newest first as stores read: then nothing has to be sorted. */
export function createItemSetBuilder(): ItemSetBuilder {
  let timestamps = new Float64Array(64);
  let ids = Buffer.alloc(64 * idBytes);
  let size = 0;
  let sealed = false;
  let ascending = true;
  /** Newest first, at one second the lowest id first. */
  let newestFirst = true;

  const refuseAfterSeal = (): void => {
    if (sealed) throw new NostrError("NEGENTROPY_MISUSED", { message: "The set is sealed" });
  };
  const grow = (): void => {
    const capacity = Math.ceil(size * 1.5);
    const moreTimestamps = new Float64Array(capacity);
    moreTimestamps.set(timestamps);
    timestamps = moreTimestamps;
    const moreIds = Buffer.alloc(capacity * idBytes);
    moreIds.set(ids);
    ids = moreIds;
  };

  return {
    get size() {
      return size;
    },
    add(timestamp, id) {
      refuseAfterSeal();
      if (!Number.isSafeInteger(timestamp) || timestamp < 0 || !isHex32(id))
        throw new NostrError("NEGENTROPY_MISUSED", { message: "An item has a time from 0 and an id of 32 bytes" });
      if (size === timestamps.length) grow();
      timestamps[size] = timestamp;
      ids.write(id, size * idBytes, "hex");
      if (size > 0 && (ascending || newestFirst)) {
        const before = timestamps[size - 1] ?? 0;
        const rises = compareItems(timestamps, ids, size - 1, size) < 0;
        ascending &&= rises;
        newestFirst &&= timestamp < before || (timestamp === before && rises);
      }
      size++;
    },
    seal() {
      refuseAfterSeal();
      sealed = true;
      const set = ascending
        ? new ItemSet(timestamps.slice(0, size), new Uint8Array(ids.subarray(0, size * idBytes)))
        : newestFirst
          ? turnRound(timestamps.subarray(0, size), ids)
          : arrange(timestamps.subarray(0, size), ids);
      timestamps = new Float64Array(0);
      ids = Buffer.alloc(0);
      return set;
    },
  };
}

function compareItems(timestamps: Float64Array, ids: Buffer, one: number, other: number): number {
  return (
    (timestamps[one] ?? 0) - (timestamps[other] ?? 0) ||
    ids.compare(ids, other * idBytes, (other + 1) * idBytes, one * idBytes, (one + 1) * idBytes)
  );
}

const wordsOfId = idBytes / 4;

/** Copies the seconds in the opposite order, each as it is. */
function turnRound(timestamps: Float64Array, ids: Buffer): ItemSet {
  const size = timestamps.length;
  const turnedTimestamps = new Float64Array(size);
  const turnedIds = new Uint8Array(size * idBytes);
  const from = new Uint32Array(ids.buffer, ids.byteOffset, size * wordsOfId);
  const to = new Uint32Array(turnedIds.buffer);
  let place = 0;
  for (let end = size; end > 0; ) {
    let start = end - 1;
    while (start > 0 && timestamps[start - 1] === timestamps[start]) start--;
    turnedTimestamps.fill(timestamps[start] ?? 0, place, place + end - start);
    let target = place * wordsOfId;
    for (let word = start * wordsOfId; word < end * wordsOfId; word++) to[target++] = from[word] ?? 0;
    place += end - start;
    end = start;
  }
  return new ItemSet(turnedTimestamps, turnedIds);
}

/** Copies what was gathered, in order and each item once. */
function arrange(timestamps: Float64Array, ids: Buffer): ItemSet {
  const compare = (one: number, other: number): number => compareItems(timestamps, ids, one, other);
  const order = new Uint32Array(timestamps.length).map((_, index) => index).sort(compare);
  const kept = order.filter((index, place) => place === 0 || compare(order[place - 1] ?? 0, index) !== 0);
  const sortedTimestamps = new Float64Array(kept.length);
  const sortedIds = new Uint8Array(kept.length * idBytes);
  for (let place = 0; place < kept.length; place++) {
    const index = kept[place] ?? 0;
    sortedTimestamps[place] = timestamps[index] ?? 0;
    sortedIds.set(ids.subarray(index * idBytes, (index + 1) * idBytes), place * idBytes);
  }
  return new ItemSet(sortedTimestamps, sortedIds);
}
