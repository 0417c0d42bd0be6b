import { ProtocolError } from "./errors.js";
import type { JsonObject, JsonValue } from "./json-value.js";

export interface MessagePackLimits {
  /** Default: 200. */
  readonly maxDepth?: number;
}

interface Reader {
  readonly bytes: Buffer;
  readonly maxDepth: number;
  at: number;
}

const decoder = new TextDecoder();
const safe = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * The values that stand one after the other in MessagePack, as JSON has them: keys become texts, integers beyond ±2^53
 * texts of their digits, numbers that are none null, bytes and extensions null, times RFC 3339. Takes no more memory than
 * the bytes could stand for.
 * @throws {ProtocolError} `ET_JSON_INVALID` for what is broken or cut off, `ET_JSON_TOO_DEEP`
 */
export function parseMessagePack(bytes: Uint8Array, { maxDepth = 200 }: MessagePackLimits = {}): JsonValue[] {
  const reader: Reader = {
    bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    maxDepth,
    at: 0,
  };
  const values: JsonValue[] = [];
  try {
    while (reader.at < bytes.length) values.push(read(reader, 0));
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause;
    // Reading beyond the end.
    throw new ProtocolError("ET_JSON_INVALID", { cause });
  }
  return values;
}

function read(reader: Reader, depth: number): JsonValue {
  if (depth > reader.maxDepth) throw new ProtocolError("ET_JSON_TOO_DEEP");
  const type = unsigned(reader, 1);
  if (type < 0x80) return type;
  if (type < 0x90) return readMap(reader, type & 0x0f, depth);
  if (type < 0xa0) return readList(reader, type & 0x0f, depth);
  if (type < 0xc0) return readText(reader, type & 0x1f);
  if (type >= 0xe0) return type - 0x100;
  switch (type) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return skip(reader, unsigned(reader, 1 << (type - 0xc4)));
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return readExtension(reader, unsigned(reader, 1 << (type - 0xc7)));
    case 0xca:
      return finite(reader.bytes.readFloatBE(forward(reader, 4)));
    case 0xcb:
      return finite(reader.bytes.readDoubleBE(forward(reader, 8)));
    case 0xcc:
    case 0xcd:
    case 0xce:
      return unsigned(reader, 1 << (type - 0xcc));
    case 0xcf:
      return exact(reader.bytes.readBigUInt64BE(forward(reader, 8)));
    case 0xd0:
    case 0xd1:
    case 0xd2: {
      const length = 1 << (type - 0xd0);
      return reader.bytes.readIntBE(forward(reader, length), length);
    }
    case 0xd3:
      return exact(reader.bytes.readBigInt64BE(forward(reader, 8)));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return readExtension(reader, 1 << (type - 0xd4));
    case 0xd9:
    case 0xda:
    case 0xdb:
      return readText(reader, unsigned(reader, 1 << (type - 0xd9)));
    case 0xdc:
    case 0xdd:
      return readList(reader, unsigned(reader, 2 << (type - 0xdc)), depth);
    case 0xde:
    case 0xdf:
      return readMap(reader, unsigned(reader, 2 << (type - 0xde)), depth);
    default:
      throw new ProtocolError("ET_JSON_INVALID");
  }
}

/** Where the next bytes begin; they have been read then. */
function forward(reader: Reader, length: number): number {
  const { at } = reader;
  if (at + length > reader.bytes.length) throw new ProtocolError("ET_JSON_INVALID");
  reader.at += length;
  return at;
}

function unsigned(reader: Reader, length: number): number {
  return reader.bytes.readUIntBE(forward(reader, length), length);
}

function exact(value: bigint): JsonValue {
  return value > safe || value < -safe ? value.toString() : Number(value);
}

function finite(value: number): JsonValue {
  return Number.isFinite(value) ? value : null;
}

function skip(reader: Reader, length: number): null {
  forward(reader, length);
  return null;
}

function readText(reader: Reader, length: number): string {
  const start = forward(reader, length);
  return decoder.decode(reader.bytes.subarray(start, start + length)).replaceAll("\0", "");
}

function readList(reader: Reader, length: number, depth: number): JsonValue[] {
  const list: JsonValue[] = [];
  // Each value has a byte at least, so the length that is claimed costs nothing.
  for (let index = 0; index < length; index++) list.push(read(reader, depth + 1));
  return list;
}

function readMap(reader: Reader, length: number, depth: number): JsonObject {
  const map: JsonObject = {};
  for (let index = 0; index < length; index++) {
    const key = read(reader, depth + 1);
    const name = typeof key === "string" ? key : JSON.stringify(key);
    // `__proto__` is a name like any other.
    const value = read(reader, depth + 1);
    Object.defineProperty(map, name, { value, enumerable: true, writable: true, configurable: true });
  }
  return map;
}

const timestamp = -1;

/** Of all extensions times mean something here. */
function readExtension(reader: Reader, length: number): JsonValue {
  const { bytes } = reader;
  const type = bytes.readInt8(forward(reader, 1));
  const at = forward(reader, length);
  if (type !== timestamp) return null;
  if (length === 4) return timeOf(bytes.readUInt32BE(at), 0);
  if (length === 12) return timeOf(Number(bytes.readBigInt64BE(at + 4)), bytes.readUInt32BE(at));
  if (length !== 8) return null;
  const both = bytes.readBigUInt64BE(at);
  return timeOf(Number(both & 0x3ffffffffn), Number(both >> 34n));
}

function timeOf(seconds: number, nanoseconds: number): string | null {
  const time = new Date(seconds * 1000 + Math.floor(nanoseconds / 1_000_000));
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}
