import { isIPv4, isIPv6 } from "node:net";

/** A value of a MaxMind database. Numbers of 64 bits and more, and bytes, are left out: nothing here asks for them. */
export type MmdbValue = string | number | boolean | undefined | readonly MmdbValue[] | MmdbMap;

export interface MmdbMap {
  readonly [key: string]: MmdbValue;
}

/** Looks addresses up in the bytes of a MaxMind database. */
export interface Mmdb {
  /** Undefined for an address that is not in it, or is none. */
  find(address: string): MmdbMap | undefined;
}

const marker = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
const longestMetadata = 128 * 1024;
const separatorBytes = 16;
const deepest = 32;

/**
 * Reads the format, version 2: a binary tree over the bits of an address, whose leaves point into a section of values.
 * @throws {RangeError} when the bytes are none, here or while something is looked up
 */
export function openMmdb(bytes: Buffer): Mmdb {
  const markerAt = bytes.lastIndexOf(marker);
  if (markerAt < 0 || bytes.length - markerAt > longestMetadata) throw new RangeError("There is no metadata.");
  const metadata = readValue(bytes, markerAt + marker.length, markerAt + marker.length).value;
  if (!isMap(metadata) || metadata["binary_format_major_version"] !== 2)
    throw new RangeError("The version of the format is not 2.");
  const nodes = count(metadata["node_count"]);
  const recordBits = count(metadata["record_size"]);
  if (![24, 28, 32].includes(recordBits)) throw new RangeError("Records have an unknown size.");
  const nodeBytes = recordBits / 4;
  const valuesAt = nodes * nodeBytes + separatorBytes;
  if (valuesAt > markerAt) throw new RangeError("The tree is longer than the file.");
  const isWide = metadata["ip_version"] === 6;

  const step = (node: number, bit: number): number => {
    const at = node * nodeBytes;
    if (recordBits === 24) return bytes.readUIntBE(at + bit * 3, 3);
    if (recordBits === 32) return bytes.readUInt32BE(at + bit * 4);
    // The upper four bits of both records share the byte between them.
    const middle = bytes.readUInt8(at + 3);
    const upper = bit === 0 ? middle >> 4 : middle & 0x0f;
    return upper * 2 ** 24 + bytes.readUIntBE(at + bit * 4, 3);
  };

  return {
    find(address) {
      const bits = addressBits(address, isWide);
      if (bits === undefined) return undefined;
      let node = 0;
      for (const bit of bits) {
        if (node >= nodes) break;
        node = step(node, bit);
      }
      if (node <= nodes) return undefined;
      const { value } = readValue(bytes, valuesAt + (node - nodes - separatorBytes), valuesAt);
      return isMap(value) ? value : undefined;
    },
  };
}

function isMap(value: MmdbValue): value is MmdbMap {
  return typeof value === "object" && !Array.isArray(value);
}

function count(value: MmdbValue): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1)
    throw new RangeError("A number is missing.");
  return value;
}

/** The bits of an address, the highest first; IPv4 lies at the end of the zeros of a tree for IPv6. */
function addressBits(address: string, isWide: boolean): number[] | undefined {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  if (isIPv4(mapped)) {
    const bits = mapped.split(".").flatMap((part) => bitsOf(Number(part), 8));
    return isWide ? [...Array.from({ length: 96 }, () => 0), ...bits] : bits;
  }
  if (!isWide || !isIPv6(address) || address.includes(".")) return undefined;
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const groups = (text = ""): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...zeros, ...after].flatMap((group) => bitsOf(group, 16));
}

function bitsOf(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, index) => (value >> (width - 1 - index)) & 1);
}

interface Read {
  readonly value: MmdbValue;
  readonly nextAt: number;
}

const pointerBase = [0, 2048, 526_336, 0] as const;

/** The value at a place; pointers count from `valuesAt`. */
function readValue(bytes: Buffer, at: number, valuesAt: number, depth = 0): Read {
  if (depth > deepest) throw new RangeError("Values are nested too deeply.");
  const control = bytes.readUInt8(at);
  if (control >> 5 === 1) {
    const length = ((control >> 3) & 3) + 1;
    const rest = bytes.readUIntBE(at + 1, length);
    const upper = length === 4 ? 0 : (control & 7) * 2 ** (8 * length);
    const target = valuesAt + upper + rest + (pointerBase[length - 1] ?? 0);
    return { value: readValue(bytes, target, valuesAt, depth + 1).value, nextAt: at + 1 + length };
  }
  const isExtended = control >> 5 === 0;
  const type = isExtended ? bytes.readUInt8(at + 1) + 7 : control >> 5;
  const { size, nextAt } = readSize(bytes, control & 0x1f, at + (isExtended ? 2 : 1));
  switch (type) {
    case 2:
      return { value: bytes.toString("utf8", nextAt, end(bytes, nextAt, size)), nextAt: nextAt + size };
    case 3:
      return { value: bytes.readDoubleBE(nextAt), nextAt: nextAt + size };
    case 5:
    case 6:
      return { value: size === 0 ? 0 : bytes.readUIntBE(nextAt, size), nextAt: nextAt + size };
    case 7:
      return readMap(bytes, nextAt, size, valuesAt, depth);
    case 8:
      return { value: size === 0 ? 0 : bytes.readUIntBE(nextAt, size) | 0, nextAt: nextAt + size };
    case 11:
      return readList(bytes, nextAt, size, valuesAt, depth);
    case 14:
      return { value: size === 1, nextAt };
    case 15:
      return { value: bytes.readFloatBE(nextAt), nextAt: nextAt + size };
    default:
      // Bytes, and numbers that are too large.
      return { value: undefined, nextAt: end(bytes, nextAt, size) };
  }
}

function end(bytes: Buffer, at: number, size: number): number {
  if (at + size > bytes.length) throw new RangeError("A value is longer than the file.");
  return at + size;
}

function readSize(bytes: Buffer, small: number, at: number): { readonly size: number; readonly nextAt: number } {
  if (small < 29) return { size: small, nextAt: at };
  if (small === 29) return { size: 29 + bytes.readUInt8(at), nextAt: at + 1 };
  if (small === 30) return { size: 285 + bytes.readUInt16BE(at), nextAt: at + 2 };
  return { size: 65_821 + bytes.readUIntBE(at, 3), nextAt: at + 3 };
}

function readMap(bytes: Buffer, from: number, size: number, valuesAt: number, depth: number): Read {
  const entries: [string, MmdbValue][] = [];
  let at = from;
  for (let index = 0; index < size; index++) {
    const key = readValue(bytes, at, valuesAt, depth + 1);
    const { value, nextAt } = readValue(bytes, key.nextAt, valuesAt, depth + 1);
    if (typeof key.value === "string") entries.push([key.value, value]);
    at = nextAt;
  }
  return { value: Object.fromEntries(entries), nextAt: at };
}

function readList(bytes: Buffer, from: number, size: number, valuesAt: number, depth: number): Read {
  const items: MmdbValue[] = [];
  let at = from;
  for (let index = 0; index < size; index++) {
    const { value, nextAt } = readValue(bytes, at, valuesAt, depth + 1);
    items.push(value);
    at = nextAt;
  }
  return { value: items, nextAt: at };
}
