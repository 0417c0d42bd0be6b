import { isAscii } from "node:buffer";
import { ProtocolError } from "./errors.js";
import { isJsonObject, type JsonObject, type JsonValue } from "./json-value.js";
import { parseLeniently, repairText, setOwn } from "./lenient-json.js";

export interface JsonLimits {
  /** Deepest nesting of objects and lists that is accepted. */
  readonly maxDepth?: number;
}

export const defaultMaxDepth = 200;

/**
 * Reads JSON as SDKs in the field write it. Beyond the standard it accepts a byte-order mark, bare `NaN`, `Infinity`
 * and `-Infinity` (null), and raw U+0000. Integers beyond ±2^53 become strings with their exact digits; lone
 * surrogates and invalid UTF-8 become U+FFFD; U+0000 is removed; of equal keys the last one wins; `__proto__` is a
 * key like any other. Costs little more than `JSON.parse` unless one of these is there.
 * @throws {ProtocolError} `ET_JSON_INVALID`; `ET_JSON_TOO_DEEP`
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = {}): JsonValue {
  const maxDepth = limits.maxDepth ?? defaultMaxDepth;
  const text = decodeUtf8(bytes);
  if (hasLongDigitRun(bytes)) return parseLeniently(text, { maxDepth });
  return parseText(text, maxDepth);
}

/** `parseJson` for a text in which large integers do not matter. */
export function parseText(text: string, maxDepth = defaultMaxDepth): JsonValue {
  const value = tryStandard(text);
  if (value === undefined) return parseLeniently(text, { maxDepth });
  const finding = inspect(value, maxDepth);
  if (finding === tooDeep) throw new ProtocolError("ET_JSON_TOO_DEEP", { details: { maxDepth } });
  return finding === infinite || mayNeedRepair(text) ? repair(value) : value;
}

/** As `parseJson`, for places where only an object makes sense. */
export function parseJsonObject(bytes: Uint8Array, limits: JsonLimits = {}): JsonObject {
  const value = parseJson(bytes, limits);
  if (!isJsonObject(value)) throw new ProtocolError("ET_JSON_INVALID");
  return value;
}

/** Text of `bytes`, or of a part of them, without byte-order mark; what is not UTF-8 becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const hasMark = bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf && end >= start + 3;
  const part = asBuffer(bytes).subarray(hasMark ? start + 3 : start, end);
  // What is ASCII throughout, and most is, becomes text in half the time when nothing has to be decoded.
  return part.toString(isAscii(part) ? "latin1" : "utf8");
}

/** The same bytes, not a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function tryStandard(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Integers need at least this many digits to lie beyond ±2^53. */
const longRun = 16;

/**
 * Whether an integer of 16 or more digits may stand outside a string. Such a run covers a multiple of 16, so only
 * every 16th byte is looked at until one is a digit. May say yes without need, never no.
 */
function hasLongDigitRun(bytes: Uint8Array): boolean {
  const length = bytes.length;
  for (let probe = longRun - 1; probe < length; probe += longRun) {
    if (!isDigit(bytes[probe])) continue;
    let start = probe;
    while (start > 0 && isDigit(bytes[start - 1])) start--;
    let end = probe + 1;
    while (end < length && isDigit(bytes[end])) end++;
    if (end - start >= longRun && isTokenStart(bytes[start - 1]) && isTokenEnd(bytes[end])) return true;
    probe += Math.floor((end - probe) / longRun) * longRun;
  }
  return false;
}

function isDigit(byte: number | undefined): boolean {
  return ((byte ?? 0) - 0x30) >>> 0 < 10;
}

/** What may precede an integer: start, white space, minus, colon, comma, bracket, a byte-order mark's last byte. */
function isTokenStart(byte: number | undefined): boolean {
  return (
    byte === undefined ||
    byte <= 0x20 ||
    byte === 0x2d ||
    byte === 0x3a ||
    byte === 0x2c ||
    byte === 0x5b ||
    byte === 0xbf
  );
}

/** What may follow one: end, white space, comma, bracket, brace. A point or exponent makes it a float. */
function isTokenEnd(byte: number | undefined): boolean {
  return byte === undefined || byte <= 0x20 || byte === 0x2c || byte === 0x5d || byte === 0x7d;
}

/** Only escapes can bring lone surrogates and U+0000 past `JSON.parse`. */
function mayNeedRepair(text: string): boolean {
  return text.includes("\\u") && /\\u(?:0000|[dD][89a-fA-F])/.test(text);
}

/** What is wrong with a parsed value: nothing, a number too large to be one, or too many levels. */
const fine = 0;
const infinite = 1;
const tooDeep = 2;

function inspect(value: JsonValue, levels: number): number {
  if (typeof value === "number") return Number.isFinite(value) ? fine : infinite;
  if (typeof value !== "object" || value === null) return fine;
  if (levels === 0) return tooDeep;
  let worst = fine;
  if (Array.isArray(value)) {
    for (const member of value) if (typeof member !== "string") worst = Math.max(worst, inspect(member, levels - 1));
  } else {
    for (const key in value) {
      const member = value[key];
      if (member !== undefined && typeof member !== "string") worst = Math.max(worst, inspect(member, levels - 1));
    }
  }
  return worst;
}

/** Cleans every string and number of a value that is known not to be deep. */
function repair(value: JsonValue): JsonValue {
  if (typeof value === "string") return repairText(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(repair);
  const repaired: JsonObject = {};
  for (const [key, member] of Object.entries(value)) setOwn(repaired, repairText(key), repair(member));
  return repaired;
}
